"""Labelled snapshots: what rules are mined from and alarms judged on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Days = NDArray[np.datetime64]
Index = NDArray[np.intp]

LOOK_BACK_DAYS = 182
"""No alarm is credited with more lead time than this: before, it was hardly about this loss."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshots:
    """One row an account and moment, in order of account, then moment; every array has an entry a row.

    `churned` tells that the account was lost in the window that belongs to the row, and `lost_at` when (NaT
    otherwise). `value` is the account's yearly money at the moment, NaN where it is not known.
    """

    accounts: NDArray[np.str_]
    moments: Days
    churned: Flags
    lost_at: Days
    value: Array

    def __len__(self) -> int:
        return len(self.moments)

    @cached_property
    def account(self) -> Index:
        """A number for each account: 0, 1, .. in order."""
        return np.unique(self.accounts, return_inverse=True)[1]

    @cached_property
    def is_next(self) -> Flags:
        """Whether the row is its account's next snapshot after the row before, with none left out between."""
        if len(self) < 2:
            return np.zeros(len(self), dtype=bool)
        steps = np.diff(self.moments) / np.timedelta64(1, "D")
        same = np.diff(self.account) == 0
        usual = np.median(steps[same]) if same.any() else 0.0
        return np.concatenate([[False], same & (steps <= 1.5 * usual)])

    @cached_property
    def loss(self) -> Index:
        """A number for each loss, at the rows whose window it lies in; -1 elsewhere."""
        found = np.full(len(self), -1)
        keys = np.rec.fromarrays([self.account[self.churned], self.lost_at[self.churned].astype(np.int64)])
        found[self.churned] = np.unique(keys, return_inverse=True)[1]
        return found

    def alarms(self, holds: Flags) -> Index:
        """A number for the alarm that each row belongs to, -1 without one.

        An alarm begins when a rule begins to hold and lasts over the snapshots at which it still does.
        """
        begins = holds & ~(self.is_next & np.concatenate([[False], holds[:-1]]))
        return np.where(holds, np.cumsum(begins) - 1, -1)

    def lead_days(self, holds: Flags, within: Flags) -> Array:
        """Days from the beginning of an alarm to the loss it came before, an entry a loss that was caught.

        A loss is caught when the rule holds at a row `within` whose window it lies in; the alarm may have begun
        earlier than that.
        """
        alarm = self.alarms(holds)
        first = np.full(alarm.max() + 1, len(self))
        np.minimum.at(first, alarm[holds], np.flatnonzero(holds))
        caught = np.flatnonzero(holds & within & self.churned)
        began = self.moments[first[alarm[caught]]]
        lead = (self.lost_at[caught] - began) / np.timedelta64(1, "D")
        best = np.full(self.loss.max() + 1, -np.inf)
        np.maximum.at(best, self.loss[caught], np.minimum(lead, LOOK_BACK_DAYS))
        return best[np.isfinite(best)]

    def losses(self, within: Flags) -> Index:
        """The losses in the windows of some rows, each once."""
        return np.unique(self.loss[within & self.churned])
