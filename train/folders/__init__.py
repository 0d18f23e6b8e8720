"""Checkpoint folders: read strictly, claimed by what they began with."""
