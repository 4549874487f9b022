"""The one exception of this layer."""


class SourceError(Exception):
    """A source, its mapping or the configuration is wrong: says what, where, and what to do."""
