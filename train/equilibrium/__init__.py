"""The run of a SpikingBERT, distilled at equilibrium, stage by stage."""
