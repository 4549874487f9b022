"""Why customers leave: kinds of churn, root causes, what was seen before, and what of it comes back."""

from retention.reasons.chapter import chapter

__all__ = ["chapter"]
