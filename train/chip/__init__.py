"""The deployable student: its sizes, layers and encoder."""
