"""Numbers, tables and documents as text; it knows nothing of hardware."""
