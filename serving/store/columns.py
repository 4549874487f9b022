"""Column types that keep the store's promises: naive UTC moments, exact numbers, no NaN."""

import math
from datetime import datetime
from json import JSONEncoder
from typing import Any

from sqlalchemy import DateTime, Dialect, Double
from sqlalchemy.types import TypeDecorator

from serving.errors import ServingError


class Moment(TypeDecorator[datetime]):
    """A naive UTC datetime, to the microsecond.

    Raises:
        ServingError: for a datetime with a zone, whose zone a database would drop without a word.
    """

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment as it is, if it has no zone."""
        if value is not None and value.tzinfo is not None:
            raise ServingError(f"store: {value.isoformat()} has a zone; give naive UTC")
        return value


class Number(TypeDecorator[float]):
    """A double, read back bit-equal. NaN is stored as null and -0.0 as 0.0 (SQLite keeps no negative zero).

    Raises:
        ServingError: for an infinite number, which JSON and most readers do not know.
    """

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """A finite double or null."""
        return finite(value)


def finite(value: float | None) -> float | None:
    """The number as a plain float; NaN as None, -0.0 as 0.0.

    Raises:
        ServingError: for an infinite number.
    """
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        raise ServingError(f"store: {value} is no number to keep; look for a division by zero upstream")
    return float(value) + 0.0


def plain(value: Any) -> Any:
    """A JSON value with its numbers `finite`, its moments in ISO format and its tuples as lists."""
    match value:
        case float():
            return finite(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): plain(held) for key, held in value.items()}
        case list() | tuple():
            return [plain(held) for held in value]
    return value


def dumped(value: Any) -> str:
    """A value as the JSON text that the store keeps."""
    try:
        return _encode(value)
    except ValueError:  # a NaN in it; looking for one in every value would cost more than the rest
        return _encode(plain(value))


_encode = JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat).encode
