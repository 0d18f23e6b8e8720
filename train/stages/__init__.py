"""Runs stage by stage: what all of them share, and that of a SpikeBERT."""
