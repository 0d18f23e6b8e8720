"""Whether a graph fits on a chip, where each piece of it lies, and where spikes go."""
