"""What retention refuses."""


class RetentionError(Exception):
    """A measurement, plan or decision record that cannot be made as asked; the message says what to do."""
