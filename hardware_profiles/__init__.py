"""What operations cost on which hardware, and how a run compares with its teacher."""
