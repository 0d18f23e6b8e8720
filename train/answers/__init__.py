"""What a trained student says, and what it looks at."""
