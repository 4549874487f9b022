"""Why a score is what it is, in words: the signals that moved it most, with value, own baseline and peers.

A signal is told once, however many features read it: its contribution is the sum of their drivers, its words are
those of the feature that moved most. Contributions are calibrated log-odds; points are the percentage points of churn
probability that a signal moves, and over all signals lead from the intercept's probability to the account's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serving.bundle import Bundle, FeatureSpec
from serving.calibration import sigmoid
from serving.score import Scores

Array = NDArray[np.float64]
Places = NDArray[np.intp]
MOST = 3
ENOUGH_PEERS = 30
WHOLE_BOOK = -1
"""In place of the number of a segment that is too small."""
BLOCK = 10_000
"""Signals that are looked at together: bounds the memory."""


@dataclass(frozen=True)
class Reason:
    """One signal of one account. `contribution` above 0 raises the risk; `peer_percentile` in [0, 100]."""

    signal: str
    component: str
    feature: str
    text: str
    value: float | None
    baseline: float | None
    peer_percentile: float | None
    contribution: float
    contribution_pp: float


@dataclass(frozen=True, eq=False)
class Signals:
    """The bundle's signals: (component, signal) of each, and which features read it, (signals, features)."""

    names: tuple[tuple[str, str], ...]
    members: NDArray[np.bool_]

    def contributions(self, drivers: Array) -> Array:
        """Sum of drivers by signal: (n, signals); over all signals they sum to log-odds minus intercept."""
        summed: Array = drivers @ self.members.T.astype(np.float64)
        return summed


@lru_cache(maxsize=4)
def signals(bundle: Bundle) -> Signals:
    """The signals that a bundle's features read, in their order."""
    keys = [(spec.component, spec.signal) for spec in bundle.features]
    names = tuple(dict.fromkeys(keys))
    return Signals(names, np.array([[key == name for key in keys] for name in names]))


@dataclass(frozen=True, eq=False)
class Told:
    """What is told of rows, a column each: of `row` the `signal`, in the words of the `feature` that moved most.

    `row` rises from 0 on; within a row the signals that raise its risk most come first, then the one that lowers it
    most. `signal` and `feature` are places in `known` and in the bundle; unknown numbers are NaN.
    """

    known: Signals
    rows: int
    row: Places
    signal: Places
    feature: Places
    value: Array
    baseline: Array
    percentile: Array
    contribution: Array
    points: Array
    text: list[str]


def told(bundle: Bundle, scores: Scores, rows: Array, baseline: Array, peers: NDArray[np.str_] | None) -> Told:
    """For each row the signals that raise its risk most, then the one that lowers it most; none at a cold start.

    Args:
        bundle: whose features the rows hold.
        scores: of the rows.
        rows: feature values (n, features).
        baseline: the accounts' own usual values (n, features), NaN where there is no past.
        peers: the segment of each row; segments below 30 rows are compared with the whole book. None: the rows are
            not the book, and no peers are named.
    """
    known = signals(bundle)
    moved = known.contributions(scores.drivers) if scores.drivers.shape[1] else np.zeros((len(rows), 0))
    row, signal = _chosen(moved)
    feature = _most_moved(known, scores.drivers, row, signal, np.sign(moved[row, signal]))
    percentile = np.full(len(row), np.nan) if peers is None else peer_percentiles(rows, peers, row, feature)
    value, usual = rows[row, feature], baseline[row, feature]
    words = zip(feature.tolist(), value.tolist(), usual.tolist(), percentile.tolist(), strict=True)
    return Told(
        known=known,
        rows=len(rows),
        row=row,
        signal=signal,
        feature=feature,
        value=value,
        baseline=usual,
        percentile=percentile,
        contribution=moved[row, signal],
        points=100 * _rate(moved, float(sigmoid(scores.intercept)), scores.probability)[row] * moved[row, signal],
        text=[in_words(bundle.features[j], *numbers) for j, *numbers in words],
    )


def reasons(
    bundle: Bundle, scores: Scores, rows: Array, baseline: Array, peers: NDArray[np.str_] | None
) -> list[list[Reason]]:
    """What is `told` of each row."""
    found = told(bundle, scores, rows, baseline, peers)
    listed: list[list[Reason]] = [[] for _ in rows]
    for i, row in enumerate(found.row.tolist()):
        component, signal = found.known.names[found.signal[i]]
        listed[row].append(
            Reason(
                signal=signal,
                component=component,
                feature=bundle.features[found.feature[i]].name,
                text=found.text[i],
                value=_known(found.value[i]),
                baseline=_known(found.baseline[i]),
                peer_percentile=_known(found.percentile[i]),
                contribution=float(found.contribution[i]),
                contribution_pp=float(found.points[i]),
            )
        )
    return listed


def _chosen(moved: Array) -> tuple[Places, Places]:
    """(row, signal) of what is told of rows (n, signals), in order."""
    order = np.argsort(-moved, axis=1, kind="stable")
    signal = np.concatenate([order[:, :MOST], order[:, -1:]], axis=1)
    by = np.take_along_axis(moved, signal, axis=1)
    raises = np.arange(signal.shape[1]) < min(MOST, moved.shape[1])
    row, place = np.nonzero(np.where(raises, by > 0, by < 0))
    return row, signal[row, place]


def _most_moved(known: Signals, drivers: Array, row: Places, signal: Places, direction: Array) -> Places:
    """Of each signal the feature that moved most in its direction."""
    found = np.empty(len(row), dtype=np.intp)
    for start in range(0, len(row), BLOCK):
        here = slice(start, start + BLOCK)
        towards = drivers[row[here]] * direction[here, None]
        found[here] = np.where(known.members[signal[here]], towards, -np.inf).argmax(axis=1)
    return found


def _rate(log_odds: Array, start: float, end: Array) -> Array:
    """Probability from `start` to `end` by the log-odds between them, of rows (n, terms); see `shared_points`."""
    total = log_odds.sum(axis=1)
    apart = np.abs(total) > 1e-9
    rate: Array = np.where(apart, (end - start) / np.where(apart, total, 1.0), end * (1 - end))
    return rate


def shared_points(log_odds: Sequence[float], start: float, end: float) -> list[float]:
    """Percentage points of probability that each term moves on the way from `start` to `end`, in [0, 1].

    Each term gets the part of `end - start` that it has of the log-odds between them, whatever the order in which
    terms are told (the straight path of Sundararajan et al. 2017, which is proportional under a logistic link).
    """
    total = float(np.sum(log_odds))
    rate = (end - start) / total if abs(total) > 1e-9 else end * (1 - end)
    return [100 * rate * x for x in log_odds]


def peer_percentiles(rows: Array, peers: NDArray[np.str_], row: Places, feature: Places) -> Array:
    """Share of peers with a smaller value (ties half), in percent, of each (row, feature); NaN for unknown values.

    Args:
        rows: the whole book (n, features).
        peers: the segment of each row; those below 30 rows are compared with the whole book.
        row: the rows that are asked about.
        feature: and of each of them the feature.
    """
    found = np.full(len(row), np.nan)
    _, group, counts = np.unique(peers, return_inverse=True, return_counts=True)
    group = np.where(counts[group] < ENOUGH_PEERS, WHOLE_BOOK, group)
    for j in np.unique(feature):
        asked = np.flatnonzero(feature == j)
        for peer in np.unique(group[row[asked]]):
            here = asked[group[row[asked]] == peer]
            among = rows[:, j] if peer == WHOLE_BOOK else rows[group == peer, j]
            found[here] = _ranks(rows[row[here], j], among)
    return found


def _ranks(values: Array, among: Array) -> Array:
    held = np.sort(among[~np.isnan(among)])
    below, upto = (np.searchsorted(held, values, side=side) for side in ("left", "right"))
    return np.where(np.isnan(values), np.nan, 50 * (below + upto) / max(len(held), 1))


def in_words(spec: FeatureSpec, value: float, usual: float, percentile: float) -> str:
    """One plain sentence: what, how much, usually how much, and where among peers.

    >>> days = FeatureSpec("d", "usage", "activity", "Days of use in the last 28 days", "days", "safer")
    >>> in_words(days, 3, 11, 8)
    'Days of use in the last 28 days: 3 days, usually 11 days; lower than 92 % of peers'
    """
    text = f"{spec.definition}: {amount(spec, value)}"
    if not np.isnan(usual) and amount(spec, usual) != amount(spec, value):
        text += f", usually {amount(spec, usual)}"
    if spec.categories or np.isnan(percentile):
        return text
    if percentile < 40:
        return f"{text}; lower than {100 - percentile:.0f} % of peers"
    return f"{text}; higher than {percentile:.0f} % of peers" if percentile > 60 else f"{text}; about as most peers"


def amount(spec: FeatureSpec, value: float) -> str:
    """A value with its unit as a person would write it."""
    if np.isnan(value):
        return "unknown"
    if spec.categories:
        return spec.categories[int(value)] if 0 <= value < len(spec.categories) else "another"
    match spec.unit:
        case "share":
            return f"{100 * value:.0f} %"
        case "yes/no":
            return "yes" if value else "no"
        case "money" | "money a month":
            return f"{value:,.0f}" + (" a month" if spec.unit.endswith("month") else "")
    number = f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"
    return f"{number} {spec.unit.removesuffix('s') if number == '1' else spec.unit}"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
