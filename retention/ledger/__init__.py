"""What happened to accounts and money: stints as a customer, losses, monthly movements, and what they add up to."""
