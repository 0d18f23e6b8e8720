"""A function for each verb."""
