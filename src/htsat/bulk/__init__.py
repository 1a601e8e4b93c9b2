"""Many recordings: what the inputs of a command stand for."""
