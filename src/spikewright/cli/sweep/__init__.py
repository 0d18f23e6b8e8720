"""The sweep of `spikewright sweep`: its points, who goes them, what came out."""
