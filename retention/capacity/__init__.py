"""Who gets the team's hours: plays chosen for accounts within the hours that their owners have."""

from retention.capacity.chapter import chapter

__all__ = ["chapter"]
