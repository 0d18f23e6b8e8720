"""Neurons and norms over all steps at once, and their compiled loops."""
