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
MOST = 3
ENOUGH_PEERS = 30


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


def reasons(
    bundle: Bundle, scores: Scores, rows: Array, baseline: Array, peers: NDArray[np.str_] | None
) -> list[list[Reason]]:
    """For each row the signals that raise its risk most, then the one that lowers it most; none at a cold start.

    Args:
        bundle: whose features the rows hold.
        scores: of the rows.
        rows: feature values (n, features).
        baseline: the accounts' own usual values (n, features), NaN where there is no past.
        peers: the segment of each row; segments below 30 rows are compared with the whole book. None: the rows are
            not the book, and no peers are named.
    """
    if scores.drivers.shape[1] == 0:
        return [[] for _ in rows]
    known = signals(bundle)
    moved = known.contributions(scores.drivers)
    percentile = np.full(rows.shape, np.nan) if peers is None else peer_percentiles(rows, peers)
    return [_row_reasons(bundle, known, scores, rows, baseline, percentile, moved, i) for i in range(len(rows))]


def _row_reasons(
    bundle: Bundle,
    known: Signals,
    scores: Scores,
    rows: Array,
    baseline: Array,
    percentile: Array,
    moved: Array,
    i: int,
) -> list[Reason]:
    order = np.argsort(-moved[i], kind="stable")
    chosen = [s for s in order[:MOST] if moved[i, s] > 0] + [s for s in order[-1:] if moved[i, s] < 0]
    points = shared_points(moved[i].tolist(), float(sigmoid(scores.intercept)), float(scores.probability[i]))
    told = []
    for s in chosen:
        towards = np.where(known.members[s], scores.drivers[i] * np.sign(moved[i, s]), -np.inf)
        j = int(towards.argmax())
        spec, value, usual, rank = bundle.features[j], rows[i, j], baseline[i, j], percentile[i, j]
        told.append(
            Reason(
                signal=known.names[s][1],
                component=known.names[s][0],
                feature=spec.name,
                text=in_words(spec, value, usual, rank),
                value=_known(value),
                baseline=_known(usual),
                peer_percentile=_known(rank),
                contribution=float(moved[i, s]),
                contribution_pp=points[s],
            )
        )
    return told


def shared_points(log_odds: Sequence[float], start: float, end: float) -> list[float]:
    """Percentage points of probability that each term moves on the way from `start` to `end`, in [0, 1].

    Each term gets the part of `end - start` that it has of the log-odds between them, whatever the order in which
    terms are told (the straight path of Sundararajan et al. 2017, which is proportional under a logistic link).
    """
    total = float(np.sum(log_odds))
    rate = (end - start) / total if abs(total) > 1e-9 else end * (1 - end)
    return [100 * rate * x for x in log_odds]


def peer_percentiles(rows: Array, peers: NDArray[np.str_]) -> Array:
    """Share of peers with a smaller value (ties half), in percent: (n, features); NaN for unknown values."""
    found = np.full(rows.shape, np.nan)
    names, counts = np.unique(peers, return_counts=True)
    small = np.isin(peers, names[counts < ENOUGH_PEERS])
    for name in names[counts >= ENOUGH_PEERS]:
        found[peers == name] = _ranks(rows[peers == name], rows[peers == name])
    if small.any():
        found[small] = _ranks(rows[small], rows)
    return found


def _ranks(rows: Array, among: Array) -> Array:
    found = np.full(rows.shape, np.nan)
    for j in range(rows.shape[1]):
        values = np.sort(among[:, j][~np.isnan(among[:, j])])
        if len(values):
            below = np.searchsorted(values, rows[:, j], side="left")
            upto = np.searchsorted(values, rows[:, j], side="right")
            found[:, j] = np.where(np.isnan(rows[:, j]), np.nan, 50 * (below + upto) / len(values))
    return found


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
