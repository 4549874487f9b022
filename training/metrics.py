"""How good a churn probability was: ranking, calibration, and what a team of some size would have caught."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import EvidenceError
from training.intervals import Figure, Statistic, wilson
from training.recalibration import recalibration

Array = NDArray[np.float64]
TINY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Bin:
    """Rows of similar probability: their number, mean prediction, and the share that churned (Wilson)."""

    n: int
    predicted: float
    observed: Figure


@dataclass(frozen=True)
class Catch:
    """What reaching the `capacity` riskiest rows would have caught.

    `precision`: share of the reached that churned; `recall`: share of the churners that were reached; `lift`:
    precision over the base rate; `value_caught`: summed value of the reached churners, in the unit given;
    `value_recall`: its share of all churners' value.
    """

    capacity: float
    precision: float
    recall: float
    lift: float
    value_caught: float
    value_recall: float


def figures(churned: ArrayLike, probability: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float]:
    """All figures of a probability; NaN where the rows cannot tell (one class only, constant probability).

    `auc`; `average_precision`; `log_loss` in nats; `brier`; `lift_at_10pct`: churn rate of the riskiest tenth
    over the base rate; `calibration_slope`: 1 is right, below 1 too extreme; `calibration_intercept`: 0 is
    right, above 0 too low, in log-odds.

    Raises:
        EvidenceError: for rows that do not match, labels that are no boolean, probabilities outside [0, 1].
    """
    weights = np.ones(np.shape(churned)) if weight is None else np.asarray(weight, dtype=np.float64)
    return statistic(churned, probability)(weights)


def statistic(churned: ArrayLike, probability: ArrayLike) -> Statistic:
    """`figures` as a function of row weights, sorted once, for `intervals.clustered`.

    Raises:
        EvidenceError: as `figures`.
    """
    label, p = _checked(churned, probability)
    order = np.argsort(-p, kind="stable")
    label, p = label[order], p[order]
    ends = _ends_of_ties(p)
    losses, squares = row_log_loss(label, p), (p - label) ** 2
    calibration = recalibration(label, _log_odds(p))

    def at(weight: Array) -> dict[str, float]:
        w = weight[order]
        n = w.sum()
        return {
            **_ranking(np.cumsum(w)[ends], np.cumsum(w * label)[ends]),
            "log_loss": _ratio(w @ losses, n),
            "brier": _ratio(w @ squares, n),
            **calibration(w),
        }

    return at


def row_log_loss(churned: ArrayLike, probability: ArrayLike) -> Array:
    """Log loss of each row in nats; certainty is capped at the precision of a double."""
    label, p = np.asarray(churned, dtype=bool), np.asarray(probability, dtype=np.float64)
    loss: Array = -np.log(np.clip(np.where(label, p, 1 - p), TINY, 1 - TINY))
    return loss


def reliability(churned: ArrayLike, probability: ArrayLike, bins: int = 10) -> list[Bin]:
    """Predicted against observed churn in quantile bins, rising; equal probabilities share a bin.

    Raises:
        EvidenceError: as `figures`.
    """
    label, p = _checked(churned, probability)
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]) if len(p) else p
    inside = np.searchsorted(edges, p, side="left")
    members = (inside == number for number in np.unique(inside))
    return [Bin(int(m.sum()), float(p[m].mean()), wilson(label[m].sum(), m.sum())) for m in members]


def capture_at(
    churned: ArrayLike,
    probability: ArrayLike,
    capacities: Sequence[float],
    value: ArrayLike | None = None,
) -> list[Catch]:
    """What reaching the riskiest rows would have caught, for each capacity in rows (at most all of them).

    Rows of equal probability share what they caught, as drawing lots among them would on average. `value` is
    what each row is worth, in any unit; without it every row is worth 1.

    Raises:
        EvidenceError: as `figures`.
    """
    label, p = _checked(churned, probability)
    order = np.argsort(-p, kind="stable")
    ends = _ends_of_ties(p[order])
    worth = label * (np.ones(len(p)) if value is None else np.asarray(value, dtype=np.float64))
    churners, at_stake = label.sum(), worth.sum()
    catches = []
    for capacity in (min(float(size), len(p)) for size in capacities):
        hits, caught = (
            float(np.interp(capacity, np.append(0, ends + 1), np.append(0.0, np.cumsum(amount[order])[ends])))
            for amount in (label, worth)
        )
        precision = _ratio(hits, capacity)
        lift = _ratio(precision, _ratio(churners, len(p)))
        catches.append(Catch(capacity, precision, _ratio(hits, churners), lift, caught, _ratio(caught, at_stake)))
    return catches


def lift_table(churned: ArrayLike, probability: ArrayLike, value: ArrayLike | None = None) -> list[Catch]:
    """`capture_at` the riskiest 10 %, 20 %, … 100 % of the rows.

    Raises:
        EvidenceError: as `figures`.
    """
    n = np.size(np.asarray(probability))
    return capture_at(churned, probability, [n * tenth / 10 for tenth in range(1, 11)], value)


def _checked(churned: ArrayLike, probability: ArrayLike) -> tuple[Array, Array]:
    """Labels as 0 and 1, probabilities as doubles; refuses what no figure can be computed from."""
    label, p = np.asarray(churned, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if label.shape != p.shape or label.ndim != 1:
        raise EvidenceError(f"metrics: labels {label.shape} and probabilities {p.shape} must be the same rows")
    if not np.isin(label, (0.0, 1.0)).all():
        raise EvidenceError("metrics: labels must be true or false; leave out rows that are not decided yet")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise EvidenceError(f"metrics: {bad.sum()} of {len(p)} probabilities outside [0, 1], e.g. {p[bad][0]}")
    return label, p


def _log_odds(p: Array) -> Array:
    inner = np.clip(p, TINY, 1 - TINY)
    log_odds: Array = np.log(inner) - np.log1p(-inner)
    return log_odds


def _ends_of_ties(sorted_values: Array) -> NDArray[np.intp]:
    """Last position of each run of equal values."""
    return np.flatnonzero(np.append(np.diff(sorted_values) != 0, True)[: len(sorted_values)])


def _ratio(part: ArrayLike, whole: float) -> float:
    """A share; NaN of nothing."""
    return float(np.asarray(part) / whole) if whole > 0 else np.nan


def _ranking(total: Array, caught: Array) -> dict[str, float]:
    """AUC, average precision and lift from cumulated rows and churners, riskiest first, at the ends of ties.

    Ties count one half in the AUC (Mann-Whitney) and are shared evenly across the cut of the riskiest tenth.
    """
    if not len(total) or caught[-1] == 0:
        return {"auc": np.nan, "average_precision": np.nan, "lift_at_10pct": np.nan}
    n, churners = total[-1], caught[-1]
    stayed, found = np.diff(total - caught, prepend=0.0), np.diff(caught, prepend=0.0)
    pairs = float(stayed @ (caught - found / 2))
    precision = caught / np.maximum(total, TINY)
    tenth = np.interp(n / 10, np.append(0.0, total), np.append(0.0, caught))
    return {
        "auc": _ratio(pairs, churners * (n - churners)),
        "average_precision": float(found @ precision / churners),
        "lift_at_10pct": float(tenth / churners * 10),
    }
