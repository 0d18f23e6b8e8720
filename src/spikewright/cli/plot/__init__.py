"""The pictures of `spikewright plot` and of a report's page, each from its data."""
