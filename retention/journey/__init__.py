"""Where each customer is on the way, and what is due."""
