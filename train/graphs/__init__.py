"""Students as CONTINUOUS graphs."""
