"""From development rows to a bundle: look forward, calibrate by component, weigh, fit on everything."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.config import Settings
from serving.booster import Booster
from serving.bundle import Bundle, probe_of, spec_of
from serving.health import RANGES, weights
from serving.score import by_component
from training import calibrate
from training.errors import EvidenceError
from training.halves import Half, reliability, split_in_halves, weight_intervals
from training.history import History, Progress
from training.intervals import Figure
from training.model import FinalFit, Forward, fit_here, look_again, look_forward, side_by_side
from training.split import Fold, Rows, few_to_predict

ENOUGH_CHURNERS = 20
"""Fewer churned accounts than this are no history to learn from: health stays with the typical weights."""
PROBE_ROWS = 16


@dataclass(frozen=True, eq=False)
class Learned:
    """A bundle, the forward predictions it was calibrated on, and how calibration and weights came out.

    `left_out` are the rows of the later slices that were not drawn to be predicted.
    """

    bundle: Bundle
    forward: Forward
    choice: calibrate.Choice
    weight_intervals: dict[str, Figure]
    left_out: int = 0


def learn(
    settings: Settings,
    history: History,
    development: Rows,
    folds: tuple[Fold, ...],
    progress: Progress,
    *,
    level: float = 0.95,
    fit_all: FinalFit = fit_here,
) -> Learned:
    """Learn a churn model, its calibration and the health weights, with intervals at `level`, from development rows.

    `fit_all` fits the final model, of the shape and rounds that looking forward found.

    Raises:
        EvidenceError: too few churned accounts or too little time; says what is missing.
    """
    require_enough(history, development, folds)
    later = sum(int(fold.predict.sum()) for fold in folds)
    folds = few_to_predict(folds, history.accounts)
    matrix, churned, features = history.matrix, history.churned, history.catalogue.features
    forward = look_forward(matrix, churned, features, folds, progress)
    text = fit_all(matrix[development], churned[development], features, forward.shape, forward.rounds)
    draft = Bundle(
        features=tuple(spec_of(f) for f in features),
        vocabulary=asdict(history.catalogue.vocabulary),
        booster=Booster(text),
        calibration=None,
        scales={},
        weights={},
        health_components=_health_components(settings, history.catalogue.components),
    )
    margins, base = by_component(draft, forward.contributions[:, :-1]), forward.contributions[:, -1]
    truth, accounts = churned[forward.rows], history.accounts[forward.rows]
    choice = calibrate.choose(margins, truth, accounts, base=float(base.mean()))
    calibration = calibrate.fit(
        margins, truth, accounts, draft.components, method=choice.method, base=float(base.mean())
    )
    halves = _halves(draft, history, folds, forward)
    stretch = _stretch(draft, halves)
    scales = calibrate.scales(margins, calibration, stretch)
    held = {c: scales[c] for c in draft.health_components}
    intervals = weight_intervals(halves, truth, calibration, held, stretch, level)
    bundle = _with(draft, calibration=calibration, scales=scales, weights=weights(held))
    left_out = later - len(forward.rows)
    return Learned(_with_probe(bundle, history, development), forward, choice, intervals, left_out)


def require_enough(history: History, development: Rows, folds: tuple[Fold, ...]) -> None:
    """Refuse what cannot be learned from, with what is missing."""
    lost = len(np.unique(history.accounts[development & history.churned]))
    kept = len(np.unique(history.accounts[development & ~history.churned]))
    if lost < ENOUGH_CHURNERS:
        raise EvidenceError(
            f"{lost} accounts churned in the development period, {ENOUGH_CHURNERS} are needed to learn from. "
            "Until then `keepwell score` gives health from the typical weights and no churn probability."
        )
    if kept < ENOUGH_CHURNERS:
        raise EvidenceError(f"only {kept} accounts stayed in the development period, {ENOUGH_CHURNERS} are needed")
    forward_lost = sum(int((history.churned & fold.predict).sum()) for fold in folds)
    if forward_lost < 5:
        raise EvidenceError(
            f"{len(folds)} later slices with {forward_lost} churned snapshots are too little to calibrate on: "
            "the history is too short for its horizon. Use more snapshots or a shorter horizon_days."
        )


def _health_components(settings: Settings, present: list[str]) -> tuple[str, ...]:
    """The configured health components that have features; all there are, where none of them has."""
    unknown = set(settings.health.components) - {*RANGES, "commercial"}
    if unknown:
        raise EvidenceError(f"[health] components: {', '.join(sorted(unknown))} is no component")
    return tuple(c for c in settings.health.components if c in present) or tuple(present)


def _halves(draft: Bundle, history: History, folds: tuple[Fold, ...], forward: Forward) -> list[Half]:
    """Learned again on halves of the accounts; not at all where health is one component, whose weight is 1."""
    if len(draft.health_components) == 1:
        return []
    matrix, churned, features = history.matrix, history.churned, history.catalogue.features

    def again(half: Rows) -> NDArray[np.float64]:
        contributions = look_again(matrix, churned, features, folds, forward, half)
        return by_component(draft, contributions[:, :-1])

    return split_in_halves(history.accounts, forward.rows, again, at_once=side_by_side(matrix))


def _stretch(draft: Bundle, halves: list[Half]) -> dict[str, float]:
    """How much wider than its margin's each component's scale is: 1 for the most reliable of the health score."""
    if not halves:
        return dict.fromkeys(draft.components, 1.0)
    trust = dict(zip(draft.components, reliability(halves).tolist(), strict=True))
    best = max(trust[c] for c in draft.health_components)
    return {c: max(1.0, float(np.sqrt(best / r))) for c, r in trust.items()}


def _with(bundle: Bundle, **changes: Any) -> Bundle:
    return Bundle(**{**bundle.__dict__, **changes})


def _with_probe(bundle: Bundle, history: History, development: Rows) -> Bundle:
    rows = np.flatnonzero(development)
    chosen = rows[np.linspace(0, len(rows) - 1, PROBE_ROWS).astype(int)]
    return _with(bundle, probe=probe_of(bundle, history.values(chosen)))
