"""Runs graphs on real Lava processes, in a supervised child. All that knows Lava."""
