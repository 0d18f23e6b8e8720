"""The passes that `lower` runs, each a function from a graph to a graph."""
