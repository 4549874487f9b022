"""What was known about an account at one moment: raw tables to one row per account and date."""
