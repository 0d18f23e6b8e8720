"""A deployment folder: what the chip runs, and what the host does around it."""
