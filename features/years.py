"""A year of usage, added up from the sums of its parts, each laid in the same order of accounts (`features.laid`)."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from features import bits
from features.bits import Numbers
from features.errors import SourceError
from features.laid import numbers

YEAR = ("year_events", "year_visits", "year_value_cents", "year_newest", "year_oldest", "week_bits")
"""Columns of `scans.year`."""
COUNTS = ("events", "visits", "value_cents")
"""What is counted of each part."""


class Share:
    """What each account did in part of a year; ages are counted back from its end.

    Args:
        laid: what `Sums.for_year` gave, in the order of accounts.
    """

    def __init__(self, laid: pa.Table) -> None:
        there = {name: laid[name].combine_chunks() for name in laid.column_names}
        nothing = pa.nulls(len(laid), pa.int8())
        self.counts = {name: numbers(there.get(name, nothing)) for name in COUNTS}
        self.most = {name: max(int(of.max(initial=0)), -int(of.min(initial=0))) for name, of in self.counts.items()}
        self.is_paid = there.get("value_cents", nothing).is_valid().to_numpy(zero_copy_only=False)
        self._day_bits = numbers(there["day_bits"])
        self.newest, self.oldest = bits.newest(self._day_bits), bits.oldest(self._day_bits)
        self._weeks: dict[int, Numbers] = {}

    def weeks(self, days: int) -> Numbers:
        """The bits of its weeks, counted back from a snapshot that lies `days` after its end."""
        if days % 7 not in self._weeks:
            self._weeks[days % 7] = bits.weeks(self._day_bits, days % 7)
        return self._weeks[days % 7].astype(np.int64) << days // 7


def added_up(shares: Sequence[tuple[Share, int]]) -> dict[str, pa.Array]:
    """The columns of `scans.year` for each account.

    Args:
        shares: the parts of the year, the oldest first, each with the days from its end to the snapshot.

    Raises:
        SourceError: the money of a year is more than 64 bits hold.
    """
    sums = {name: _sum([share for share, _ in shares], name) for name in COUNTS}
    week_bits = np.zeros_like(sums["events"])
    newest = oldest = np.zeros_like(week_bits, np.int16)
    for share, days in shares:
        week_bits |= share.weeks(days)
        newest = np.where(share.newest, share.newest + days, newest)
    for share, days in reversed(shares):
        oldest = np.where(share.oldest, share.oldest + days, oldest)
    is_paid = np.logical_or.reduce([share.is_paid for share, _ in shares])
    nothing = sums["events"] == 0
    columns = (
        pa.array(sums["events"]),
        pa.array(sums["visits"]),
        pa.array(sums["value_cents"], mask=~is_paid),
        pa.array(newest, mask=nothing),
        pa.array(oldest, mask=nothing),
        pa.array(week_bits),
    )
    return dict(zip(YEAR, columns, strict=True))


def _sum(shares: Sequence[Share], name: str) -> Numbers:
    if sum(share.most[name] for share in shares) > np.iinfo(np.int64).max:
        raise SourceError(f"usage: {name} of a year may add up to more than 64 bits hold; map them in a larger unit")
    total = shares[0].counts[name].astype(np.int64)
    for share in shares[1:]:
        total += share.counts[name]
    return total
