"""Why customers leave: kinds of churn, root causes, what was seen before, and what of it comes back."""
