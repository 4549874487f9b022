"""Decision records: what is decided about retention, on which evidence, and what would reopen it (systems X1-X20)."""
