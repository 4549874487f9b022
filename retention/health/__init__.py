"""The book's health over time, and what became of accounts at risk."""

from retention.health.chapter import chapter

__all__ = ["chapter"]
