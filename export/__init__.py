"""Models to graphs, graphs to files, and the passes that lower a graph."""
