"""What `spikewright report` counts and prices."""
