"""What verbs do first: read a network, lower it, take texts."""
