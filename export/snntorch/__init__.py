"""What the doors `from_snntorch` and `to_snntorch` need: dialects, files, proofs."""
