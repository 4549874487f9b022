"""Early-warning rules: found in history, held against a later period, and tuned to what their alarms cost."""
