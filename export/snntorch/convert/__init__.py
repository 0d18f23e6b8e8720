"""One step of a forward, as it was written down, into nodes of a graph."""
