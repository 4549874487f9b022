"""The one exception of this layer."""


class ServingError(Exception):
    """A bundle, a model or a request cannot be served: says what, where, and what to do."""
