"""Days as the bits of a number: the lowest is the day before a moment, of age 1. Shapes in are shapes out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.integer[Any]]


def oldest(day_bits: Numbers) -> Numbers:
    """Age of the oldest day, 0 without any."""
    return np.frexp(day_bits)[1].astype(np.int16)  # 2 ** (e - 1) <= bits < 2 ** e


def newest(day_bits: Numbers) -> Numbers:
    """Age of the newest day, 0 without any."""
    return oldest(day_bits & -day_bits)


def weeks(day_bits: Numbers, days: int) -> Numbers:
    """The bits of the weeks before a moment, of the 28 days before another that lies `days`, less than 7, earlier."""
    moved, found = day_bits.astype(np.int64) << days, np.zeros(day_bits.shape, np.int8)
    for week in range(5):
        found |= (moved & (127 << 7 * week) != 0).astype(np.int8) << week
    return found
