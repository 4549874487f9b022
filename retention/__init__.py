"""What happened, what it was worth, what was done about it."""
