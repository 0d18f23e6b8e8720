"""From counts to joules and seconds, on a profile, and beside a teacher."""
