"""What a module does with its sample, written down, and the one step found in it."""
