"""The road of `spikewright run`: its steps, and what of them is kept."""
