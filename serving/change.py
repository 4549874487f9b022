"""Why a health score moved since the run before: what was put in, the weights, the model, or stale data.

The parts are points of health and sum to the move. The way goes from the score of then over the score that today's
model gives the inputs of then: first the weights change on the component scores of then, then the component scores
become today's model's, then the inputs become today's. Inputs of a component whose data is stale move only because
time passes without news, and are told apart.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.bundle import Bundle
from serving.health import health
from serving.reasons import amount, signals
from serving.score import Scores

Array = NDArray[np.float64]
MOST = 3
LEAST = 0.005
"""Log-odds: a signal that moved by less is not told."""


@dataclass(frozen=True)
class Mover:
    """A signal whose contribution to the risk moved, `log_odds` up (riskier) or down, and the value behind it."""

    signal: str
    component: str
    feature: str
    log_odds: float
    before: float | None
    now: float | None
    text: str


@dataclass(frozen=True)
class Change:
    """Points of health since the run before: `inputs + weights + model + staleness = points`.

    `components` are the points that each component's inputs moved, stale ones included; `movers` the signals that
    moved most, first the one that moved most towards where the score went.
    """

    points: float
    inputs: float
    weights: float
    model: float
    staleness: float
    components: dict[str, float]
    movers: tuple[Mover, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Then:
    """The run before: each account's row (n, features of today's model), and what was told of it.

    `scores` are component scores and `health` the health score as they were stored, NaN where not known.
    """

    rows: Array
    scores: Mapping[str, Array]
    health: Array


def changes(
    bundle: Bundle, now: Scores, rows: Array, then: Then, rescored: Scores, stale: Collection[str]
) -> list[Change | None]:
    """What moved each account's health; None where it has no score now or had none then.

    Args:
        bundle: today's model.
        now: its scores of today's rows.
        rows: today's inputs (n, features).
        then: the same accounts at the run before.
        rescored: today's model's scores of the rows of then.
        stale: components whose data is too old today.
    """
    reweighted = health(then.scores, bundle.weights)
    weights = np.where(np.isnan(reweighted), 0.0, reweighted - then.health)
    weights = np.where(np.abs(weights) < 1e-9, 0.0, weights)
    model = rescored.health - then.health - weights
    moved = {c: _points(now, c) - _points(rescored, c) for c in now.component_scores}
    points = now.health - then.health
    gone = sum((moved[c] for c in moved if c in stale), start=np.zeros(len(rows)))
    movers = _movers(bundle, now, rows, then, rescored)
    return [
        None
        if np.isnan(points[i])
        else Change(
            points=float(points[i]),
            inputs=float(points[i] - weights[i] - model[i] - gone[i]),
            weights=float(weights[i]),
            model=float(model[i]),
            staleness=float(gone[i]),
            components={c: float(by[i]) for c, by in moved.items()},
            movers=movers[i],
        )
        for i in range(len(rows))
    ]


def _points(scores: Scores, component: str) -> Array:
    """A component's points of health; 0 where it has no score."""
    return np.nan_to_num(scores.component_scores[component] * scores.shares[component])


def _movers(bundle: Bundle, now: Scores, rows: Array, then: Then, rescored: Scores) -> list[tuple[Mover, ...]]:
    if now.drivers.shape[1] == 0:
        return [() for _ in rows]
    known = signals(bundle)
    held = [c in bundle.health_components for c, _ in known.names]
    by_feature = now.drivers - rescored.drivers
    by_signal = np.where(held, known.contributions(by_feature), 0.0)
    found = []
    for i, moved in enumerate(by_signal):
        towards = -np.sign(now.health[i] - then.health[i]) or 1.0
        order = [s for s in np.argsort(-moved * towards, kind="stable")[:MOST] if moved[s] * towards > LEAST]
        found.append(tuple(_mover(bundle, known.names[s], known.members[s], by_feature[i], rows[i], then.rows[i],
                                  float(moved[s])) for s in order))  # fmt: skip
    return found


def _mover(
    bundle: Bundle,
    name: tuple[str, str],
    members: NDArray[np.bool_],
    by_feature: Array,
    now: Array,
    then: Array,
    moved: float,
) -> Mover:
    """Told by the signal's feature that moved most in its direction."""
    j = int(np.where(members, by_feature * np.sign(moved), -np.inf).argmax())
    spec = bundle.features[j]
    was, is_ = amount(spec, then[j]), amount(spec, now[j])
    text = f"{spec.definition}: {was}, now {is_}" if was != is_ else f"{spec.definition}: {is_}"
    known = [None if np.isnan(x) else float(x) for x in (then[j], now[j])]
    return Mover(name[1], name[0], spec.name, moved, known[0], known[1], text)
