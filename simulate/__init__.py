"""Run a graph: reference, integer and Lava backends, and their comparison."""
