"""The split by time: development, a gap as long as a label window, then the test period.

The outcome of a snapshot at t is known only at t + lead + horizon, and a contract's after its grace days as well.
Training on snapshots whose outcome was not yet known at a test snapshot would use what nobody had at that date,
hence the gap, between every two periods.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.config import Settings
from training.errors import EvidenceError

Rows = NDArray[np.bool_]
Moments = NDArray[np.datetime64]
TEST_SHARE = 0.25
"""Without [evidence], the latest quarter of the judged snapshot dates is the test period."""
JUDGED_ROWS = 200_000
"""Of more later rows than this, those of accounts drawn by lot are predicted and judged: an AUC is known to 0.01."""


@dataclass(frozen=True)
class Fold:
    """One look forward: rows to learn from, and later rows to predict, a gap apart."""

    learn: Rows
    predict: Rows


@dataclass(frozen=True)
class Split:
    """Row masks of the development and test periods, and the forward folds within development."""

    development: Rows
    test: Rows
    folds: tuple[Fold, ...]
    first_test: datetime
    last_training: datetime


def split(settings: Settings, moments: Moments, judged: Rows) -> Split:
    """Divide judged snapshot rows by time as `[evidence]` says.

    Raises:
        EvidenceError: a period is empty, or training windows would reach into the test period.
    """
    first_test, test = _test_rows(settings, moments, judged)
    latest = _as_datetime(np.datetime64(first_test, "us") - np.timedelta64(settings.gap_days, "D"))
    until = settings.evidence.train_until or latest
    if until > latest:
        raise EvidenceError(
            f"train_until {until:%Y-%m-%d} is less than lead + horizon + grace ({settings.gap_days} days) before the "
            f"first test snapshot {first_test:%Y-%m-%d}; labels would overlap the test period. "
            f"Use {latest:%Y-%m-%d} or earlier."
        )
    development = judged & (moments <= np.datetime64(until, "us"))
    if not development.any():
        first = _as_datetime(moments[judged].min())
        raise EvidenceError(
            f"nothing to train on: no judged snapshot lies at or before {until:%Y-%m-%d}, the first is of "
            f"{first:%Y-%m-%d}; move test_from (now {first_test:%Y-%m-%d}) or train_until later"
        )
    return Split(development, test, forward_folds(moments, development, settings.gap_days), first_test, until)


def forward_folds(moments: Moments, development: Rows, gap_days: int, folds: int = 4) -> tuple[Fold, ...]:
    """Consecutive slices of the later development period, each with all that was closed before it began.

    The slices hold about equally many rows; the first begins where two fifths of the rows lie behind it. Slices
    with nothing closed before them are left out, so short histories have fewer.
    """
    times = moments[development]
    parts = np.linspace(0.4, 1, folds + 1)[:-1]
    edges = np.unique(np.quantile(times.astype("datetime64[us]").astype(np.int64), parts, method="higher"))
    starts = edges.astype("datetime64[us]")
    ends = [*starts[1:], times.max() + np.timedelta64(1, "D")]
    gap = np.timedelta64(gap_days, "D")
    found = []
    for start, end in zip(starts, ends, strict=True):
        learn = development & (moments + gap <= start)
        predict = development & (moments >= start) & (moments < end)
        if learn.any() and predict.any():
            found.append(Fold(learn, predict))
    return tuple(found)


def by_lot(rows: Rows, accounts: NDArray[np.str_], seed: int = 0) -> Rows:
    """The given rows of accounts drawn by lot, about `JUDGED_ROWS` of them; all where there are no more."""
    if rows.sum() <= JUDGED_ROWS:
        return rows
    account, names = pd.factorize(accounts)
    lucky: Rows = np.random.default_rng(seed).random(len(names)) < JUDGED_ROWS / rows.sum()
    return rows & lucky[account]


def few_to_predict(folds: tuple[Fold, ...], accounts: NDArray[np.str_]) -> tuple[Fold, ...]:
    """Folds that learn from as much, and together predict no more than is judged."""
    predicted = np.logical_or.reduce([fold.predict for fold in folds])
    drawn = by_lot(predicted, accounts)
    return tuple(Fold(fold.learn, fold.predict & drawn) for fold in folds)


def _test_rows(settings: Settings, moments: Moments, judged: Rows) -> tuple[datetime, Rows]:
    evidence = settings.evidence
    if not judged.any():
        raise EvidenceError(
            "no snapshot has a closed label window: the data ends before lead + horizon + grace "
            f"({settings.gap_days} days) have passed after the first snapshot"
        )
    last = _as_datetime(moments[judged].max())
    if evidence.test_dates:
        _require_judged(evidence.test_dates, moments[judged], last)
        return min(evidence.test_dates), judged & np.isin(
            moments, np.array(evidence.test_dates, dtype="datetime64[us]")
        )
    first = evidence.test_from or _default_test_from(settings, moments[judged])
    test = judged & (moments >= np.datetime64(first, "us"))
    if not test.any():
        raise EvidenceError(
            f"no judged snapshot lies in the test period from {first:%Y-%m-%d}; the last whose window has closed "
            f"is of {last:%Y-%m-%d}: set test_from to it or earlier"
        )
    return first, test


def _require_judged(dates: tuple[datetime, ...], judged: Moments, last: datetime) -> None:
    """A test date that cannot be judged is said, not dropped."""
    missing = [day for day in sorted(dates) if not (judged == np.datetime64(day, "us")).any()]
    if missing:
        raise EvidenceError(
            f"test date {missing[0]:%Y-%m-%d} has no judged snapshot; the last whose window has closed is of "
            f"{last:%Y-%m-%d}: choose test_dates up to it"
        )


def _default_test_from(settings: Settings, moments: Moments) -> datetime:
    days = np.unique(moments)
    return _as_datetime(days[min(int(len(days) * (1 - TEST_SHARE)), len(days) - 1)])


def _as_datetime(moment: np.datetime64) -> datetime:
    found = moment.astype("datetime64[us]").item()
    assert isinstance(found, datetime)
    return found
