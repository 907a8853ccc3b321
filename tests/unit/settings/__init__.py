"""What the operator says: every key, what is right and wrong, and what is said about it."""
