"""The run of a SpikeBERT, stage by stage."""
