"""What plays did: who was treated and who was held out, what became of them, what it was worth and what it cost."""
