"""The labelled history as rules read it: snapshots in order, values, and what was usual for each account then."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.config import Settings
from features.engine import Engine
from features.sources import stage
from retention.mining.snapshots import Array, Flags, Snapshots
from retention.value import yearly_value
from serving.daily import BASELINE_DAYS
from training.history import History, Progress, load_history
from training.split import Split

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """Rows of a history in order of account and moment; `values` (rows, features) in the catalogue's order.

    `earlier` and `later` mark the rows of the development and of the test period.
    """

    history: History
    split: Split
    snapshots: Snapshots
    values: Array
    earlier: Flags
    later: Flags

    @cached_property
    def usual(self) -> Array:
        """Each account's own usual values: the median over its snapshots 28, 56 and 84 days before; NaN without any.

        As in serving, except that a day on which the grid of snapshots has none of the account is passed over.
        """
        held = [self._before(days) for days in BASELINE_DAYS]
        stacked = np.stack(held)
        unknown = np.isnan(stacked).all(axis=0)
        return np.where(unknown, np.nan, np.nanmedian(np.where(unknown, 0.0, stacked), axis=0))

    def column(self, name: str) -> Array | None:
        """A feature's values; None where the company has no such feature."""
        names = self.history.catalogue.names
        return self.values[:, names.index(name)] if name in names else None

    def relative(self, name: str) -> Array | None:
        """A feature's values over the account's usual ones; NaN where those are 0 or not known."""
        names = self.history.catalogue.names
        if name not in names:
            return None
        at = names.index(name)
        usual = np.where(self.usual[:, at] == 0, np.nan, self.usual[:, at])
        ratio: Array = self.values[:, at] / usual
        return ratio

    def _before(self, days: int) -> Array:
        """The account's values so many days before each row; NaN where there was no snapshot of it then."""
        day = (self.snapshots.moments.astype("datetime64[D]") - np.datetime64("1970-01-01", "D")) // DAY
        key = self.snapshots.account.astype(np.int64) * 1_000_000 + day
        at = np.minimum(np.searchsorted(key, key - days), len(key) - 1)
        found: Array = np.where((key[at] == key - days)[:, None], self.values[at], np.nan)
        return found


def past(settings: Settings, engine: Engine, progress: Progress) -> Past:
    """Stage, snapshot and label, as training does.

    Raises:
        SourceError: the sources cannot be read. EvidenceError: the history is too short.
    """
    return of_history(*load_history(settings, engine, stage(settings, engine), progress))


def of_history(history: History, split: Split) -> Past:
    """A history in order of account and moment; rows that no model may judge (involuntary losses) are left out."""
    order = np.lexsort((history.moments, history.accounts))
    order = order[history.judged[order]]
    values = history.values(order)
    return Past(
        history=history,
        split=split,
        snapshots=_snapshots(history, order, yearly_value(history.catalogue.names, values)),
        values=values,
        earlier=split.development[order],
        later=split.test[order],
    )


def _snapshots(history: History, order: NDArray[np.intp], value: Array) -> Snapshots:
    lost_at = history.labels.table["churned_at"].to_numpy().astype("datetime64[us]")
    return Snapshots(
        accounts=history.accounts[order],
        moments=history.moments[order].astype("datetime64[us]"),
        churned=history.churned[order],
        lost_at=np.where(history.churned, lost_at, np.datetime64("NaT"))[order],
        value=value,
    )
