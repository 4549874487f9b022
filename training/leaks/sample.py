"""The rows that the leak checks experiment on: whole accounts of the development period, few enough for seconds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.history import History
from training.leaks.ranks import Array, among_equals, correlation, ranked
from training.split import Rows, Split

Codes = NDArray[np.intp]
Earlier = Callable[[Codes], Array]
MOST_ROWS = 10_000
NOWHERE = -1


@dataclass(frozen=True)
class Sample:
    """Rows of a history for the experiments; row indices below are positions in this sample.

    `earlier` is the account's newest row at least a label window before (its outcome was then known), `later`
    its next row; -1 where there is none. `looks` are pairs of (rows learnt from, later rows). `half` splits the
    accounts in two. `shifted` holds the same rows' features as they were some days before.
    """

    matrix: Array
    churned: Rows
    accounts: Codes
    moments: NDArray[np.datetime64]
    names: tuple[str, ...]
    signals: tuple[str, ...]
    earlier: Codes
    later: Codes
    looks: tuple[tuple[Codes, Codes], ...]
    half: Rows
    shifted: Array | None

    @cached_property
    def ranks(self) -> Array:
        """The columns as ranks."""
        return ranked(self.matrix)

    @cached_property
    def likeness(self) -> Array:
        """Rank correlation of each column with each other."""
        return correlation(self.ranks, self.ranks)

    @cached_property
    def equals(self) -> Array:
        """Ranks less the mean among accounts of equal fate: what does not come from the outcome."""
        return among_equals(self.ranks, self.churned)

    @cached_property
    def swings(self) -> Array:
        """Ranks less the account's mean: what changes, without what is always so."""
        n = np.maximum(np.bincount(self.accounts), 1)
        means = np.column_stack([np.bincount(self.accounts, column) / n for column in self.ranks.T])
        return self.ranks - means[self.accounts]

    @cached_property
    def judged(self) -> Codes:
        """Rows of the later slices, on which forward figures are measured."""
        return np.concatenate([rows for _, rows in self.looks])


def draw(history: History, split: Split, shifted: Earlier | None, seed: int) -> Sample:
    """A seeded sample of whole accounts from the development period."""
    rng = np.random.default_rng(seed)
    _, account = np.unique(history.accounts, return_inverse=True)
    lot = rng.permutation(account.max() + 1)[account]
    share = min(1.0, MOST_ROWS / max(1, int(split.development.sum())))
    rows = np.flatnonzero(split.development & (lot < share * (account.max() + 1)))
    looks = [(np.flatnonzero(f.learn[rows]), np.flatnonzero(f.predict[rows])) for f in split.folds]
    window = np.timedelta64(split.first_test - split.last_training, "us")
    at = history.moments[rows].astype("datetime64[us]")
    return Sample(
        matrix=history.values(rows),
        churned=history.churned[rows],
        accounts=account[rows],
        moments=at,
        names=tuple(f.name for f in history.catalogue.features),
        signals=tuple(f.signal for f in history.catalogue.features),
        earlier=_neighbour(account[rows], at, -window),
        later=_neighbour(account[rows], at, np.timedelta64(1, "us")),
        looks=tuple(look for look in looks if len(look[0]) and len(look[1])),
        half=lot[rows] % 2 == 0,
        shifted=None if shifted is None else shifted(rows),
    )


def _neighbour(accounts: Codes, moments: NDArray[np.datetime64], away: np.timedelta64) -> Codes:
    """Row of the same account nearest beyond `moment + away`, on the side `away` points to."""
    order = np.lexsort((moments, accounts))
    times = moments.astype(np.int64)
    span = int(times.max() - times.min() + 2 * abs(away.astype(np.int64)) + 1) if len(times) else 1
    key = accounts * span + (times - times.min(initial=0))
    wanted = key + away.astype(np.int64)
    side, step = ("right", -1) if away < np.timedelta64(0) else ("left", 0)
    place = np.searchsorted(key[order], wanted, side=side) + step  # type: ignore[call-overload]
    found = order[np.clip(place, 0, len(order) - 1)]
    valid = (place >= 0) & (place < len(order)) & (accounts[found] == accounts)
    return np.where(valid, found, NOWHERE)


def ends(sample: Sample) -> tuple[Codes, Codes]:
    """First and last row of each account, in the order of its code."""
    order = np.lexsort((sample.moments, sample.accounts))
    starts = np.flatnonzero(np.diff(sample.accounts[order], prepend=NOWHERE))
    return order[starts], order[np.append(starts[1:], len(order)) - 1]


def one_row_each(sample: Sample, rows: Codes) -> Sample:
    """One row per account, churned if the account ever did; looks go from either half of the accounts to the other."""
    left = np.unique(sample.accounts[sample.churned])
    half = np.arange(len(rows)) % 2 == 0
    one, two = np.flatnonzero(half), np.flatnonzero(~half)
    nowhere = np.full(len(rows), NOWHERE)
    return replace(
        sample,
        matrix=sample.matrix[rows],
        churned=np.isin(sample.accounts[rows], left),
        accounts=sample.accounts[rows],
        moments=sample.moments[rows],
        earlier=nowhere,
        later=nowhere,
        looks=((one, two), (two, one)),
        half=half,
        shifted=None,
    )
