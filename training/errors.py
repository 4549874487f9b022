"""The one exception of this layer."""


class EvidenceError(Exception):
    """The data cannot carry the claim asked of it: says what is missing, and how much of it."""
