"""Texts to train on: read, cut into tokens, made more."""
