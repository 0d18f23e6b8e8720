"""Spikewright: from a trained spiking model to an energy report."""
