"""Configurations of runs, read from TOML."""
