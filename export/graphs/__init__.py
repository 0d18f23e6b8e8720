"""What can be read off any graph: its order, the shapes of its nodes, its time step."""
