"""Who gets the team's hours: plays chosen for accounts within the hours that their owners have."""
