"""SpikingBERT: integrate-and-fire layers whose spike rates settle."""
