"""The deployable student in Loihi's arithmetic."""
