"""Staging and features on the company's own Spark: the same declarations, the same values."""
