"""The evidence of a model: what it was worth on later rows, beside what simpler rivals were worth on the same.

Everything here is judged on test rows that neither model nor calibration has seen; every figure carries a 95 %
interval over resampled accounts.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.config import Settings
from retention.value import yearly_value
from serving.bundle import Bundle
from serving.calibration import sigmoid
from serving.score import Scores, score
from training import metrics
from training.benchmarks import benchmarks
from training.health_evidence import HealthLook, health_figures, look
from training.history import History
from training.intervals import Figure, clustered
from training.leaks import Leak
from training.learn import Learned
from training.split import Rows, by_lot

CAPACITIES = (0.05, 0.10, 0.20, 0.30)
FEW_DRAWS, MANY_ROWS = 200, 50_000

Figures = dict[str, Figure]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What training found, ready to be printed, logged and stored; `scores` are those of the test rows."""

    scores: Scores
    test: Figures
    benchmarks: dict[str, Figures]
    health: dict[str, Any]
    look: HealthLook
    capacity: list[metrics.Catch]
    groups: dict[str, Figures]
    harm: Figure
    leaks: list[Leak] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(settings: Settings, history: History, learned: Learned, development: Rows, test: Rows) -> Evidence:
    """Everything the test rows say about a learned bundle."""
    bundle, rows = learned.bundle, history.values(test)
    found = score(bundle, rows)
    truth, accounts = history.churned[test], history.accounts[test]
    names, few = history.catalogue.names, by_lot(development, history.accounts)
    rivals = benchmarks(names, history.matrix, history.churned, development, test, few)
    value = yearly_value(names, rows)
    figures = _figures(truth, found.probability, accounts)
    seen = look(history, learned, found, development, test)
    return Evidence(
        scores=found,
        test=figures,
        benchmarks={name: _figures(truth, p, accounts) for name, p in rivals.items()},
        health={
            **health_figures([seen], bundle.tiers, truth, accounts),
            "components": list(bundle.health_components),
            "weights": learned.weight_intervals,
        },
        look=seen,
        capacity=metrics.capture_at(truth, found.probability, [share * len(truth) for share in CAPACITIES], value),
        groups=_groups(bundle, history, found, test),
        harm=_harm(learned, history, found, test),
        notes=[*_drawn(history, learned, development, test), *_notes(figures, rivals, truth, accounts)],
    )


def _figures(truth: Rows, probability: NDArray[np.float64], accounts: NDArray[np.str_]) -> Figures:
    draws = FEW_DRAWS if len(truth) > MANY_ROWS else 500
    return clustered(metrics.statistic(truth, probability), accounts, draws=draws)


def _groups(bundle: Bundle, history: History, found: Scores, test: Rows) -> dict[str, Figures]:
    """Figures within each segment and lifecycle stage, and where no notice was given yet (10 churned rows or more)."""
    truth, accounts = history.churned[test], history.accounts[test]
    masks: dict[str, Rows] = {}
    for name, levels in (("segment", None), ("lifecycle_stage", ("", "onboarding", "adoption", "maturity"))):
        if name in history.catalogue.names:
            codes = history.column(name)[test]
            spec = next(s for s in bundle.features if s.name == name)
            words = levels or spec.categories
            masks |= {f"{name}: {words[int(c)]}": codes == c for c in np.unique(codes[~np.isnan(codes)])}
    if "is_cancelled" in history.catalogue.names:
        masks["no notice given"] = history.column("is_cancelled")[test] != 1
    enough = {name: mask for name, mask in masks.items() if truth[mask].sum() >= 10 and not truth[mask].all()}
    return {name: _figures(truth[mask], found.probability[mask], accounts[mask]) for name, mask in enough.items()}


def _harm(learned: Learned, history: History, found: Scores, test: Rows) -> Figure:
    """Log loss with calibration minus log loss without it: above zero, calibration did harm."""
    booster = learned.bundle.booster
    assert booster is not None
    raw = sigmoid(booster.log_odds(history.values(test)))
    truth, accounts = history.churned[test], history.accounts[test]
    change = metrics.row_log_loss(truth, found.probability) - metrics.row_log_loss(truth, raw)
    return clustered(lambda w: {"harm": float(w @ change / w.sum())}, accounts, draws=FEW_DRAWS)["harm"]


def _drawn(history: History, learned: Learned, development: Rows, test: Rows) -> list[str]:
    """What is of accounts drawn by lot, where there are very many rows."""
    forward, few = len(learned.forward.rows), by_lot(development, history.accounts)
    later = history.judged & np.isin(history.moments, np.unique(history.moments[test]))
    told = (
        (test.sum(), later.sum(), "test rows are judged"),
        (forward, forward + learned.left_out, "rows of the later slices chose shape, rounds, calibration and weights"),
        (few.sum(), development.sum(), "rows are what the benchmarks but plain LightGBM learned from"),
    )
    return [f"{n:,} of {of:,} {what}: those of accounts drawn by lot." for n, of, what in told if n < of]


def _notes(
    figures: Figures, rivals: dict[str, NDArray[np.float64]], truth: Rows, accounts: NDArray[np.str_]
) -> list[str]:
    """What a careful reader would ask about these figures, in sentences."""
    notes = []
    if figures["auc"].low <= 0.5:
        notes.append(
            f"No signal was found: the AUC's interval ({figures['auc'].low:.3f} to {figures['auc'].high:.3f}) reaches "
            "0.5, what a coin would get."
        )
    if truth.sum() < 100:
        notes.append(f"Only {int(truth.sum())} churned snapshots in the test period: the intervals are wide.")
    for name, right in (("calibration_slope", 1.0), ("calibration_intercept", 0.0)):
        if not figures[name].low <= right <= figures[name].high:
            notes.append(
                f"{name.replace('_', ' ').capitalize()} {figures[name]} does not contain {right:g} on the test period."
            )
    logistic = clustered(metrics.statistic(truth, rivals["logistic"]), accounts, draws=FEW_DRAWS)["auc"]
    if logistic.value >= figures["auc"].value:
        notes.append(
            f"Logistic regression ranks as well (AUC {logistic.value:.3f} against {figures['auc'].value:.3f})."
        )
    return notes
