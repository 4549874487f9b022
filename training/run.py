"""The main job: from staged sources to a judged model, and the object that tells of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from features.config import Settings
from features.engine import Engine
from features.snapshots import midnight
from features.sources import Staged, stage
from retention.silence import Threshold, by_segment, learn_inactivity
from serving.bundle import Bundle
from training.evidence import Evidence, judge
from training.history import History, load_history
from training.intervals import Figure
from training.leaks import check as check_leaks
from training.leaks import shifted_rows
from training.learn import Learned, learn
from training.metrics import reliability
from training.model import FinalFit, fit_here
from training.split import Split, by_lot

Stage = Callable[[str, int, int], None]
"""Called with (what is being done, units done, units in all)."""

SHIFT_DAYS = 7
"""How much earlier features are rebuilt for the freshness check."""


@dataclass(frozen=True, eq=False)
class Training:
    """One training run from beginning to end."""

    settings: Settings
    staged: Staged
    history: History
    split: Split
    learned: Learned
    evidence: Evidence
    thresholds: list[Threshold] = field(default_factory=list)


def train(
    settings: Settings, engine: Engine, tell: Stage, *, leaks: bool = True, fit_all: FinalFit = fit_here
) -> Training:
    """Stage, snapshot, label, split, learn and judge; `fit_all` fits the final model.

    Raises:
        SourceError: the sources cannot be read. EvidenceError: the history cannot carry a model.
    """
    tell("reading the sources", 0, 1)
    staged = stage(settings, engine)
    history, split = load_history(settings, engine, staged, lambda done, all_: tell("features", done, all_))
    split = replace(split, test=by_lot(split.test, history.accounts))
    learned = learn(
        settings, history, split.development, split.folds, partial(tell, "looking forward"), fit_all=fit_all
    )
    tell("evidence", 0, 1)
    evidence = judge(settings, history, learned, split.development, split.test)
    if leaks:
        tell("leak checks", 0, 1)
        shifted = shifted_rows(engine, staged, history, SHIFT_DAYS)
        evidence.leaks.extend(check_leaks(history, split, shifted=shifted))
    thresholds = learn_inactivity(engine, staged, settings, midnight(split.last_training))
    learned.bundle.about.update(about(settings, history, split), inactive_days=by_segment(thresholds))
    return Training(settings, staged, history, split, learned, evidence, thresholds)


def about(settings: Settings, history: History, split: Split) -> dict[str, Any]:
    """What a reader of the bundle asks: what is predicted, from when to when, by which code."""
    return {
        "company": settings.company.name,
        "churn": settings.churn.kind,
        "horizon_days": settings.churn.horizon_days,
        "lead_days": settings.churn.lead_days,
        "base_rate": float(history.churned[history.judged].mean()),
        "trained_until": f"{split.last_training:%Y-%m-%d}",
        "test_from": f"{split.first_test:%Y-%m-%d}",
        "observed_until": f"{history.labels.observed_until:%Y-%m-%d}",
        "trained_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "code_version": version("keepwell"),
    }


def as_json(training: Training, model_version: str | None) -> dict[str, Any]:
    """What `train --json` prints; a figure is {"value", "low", "high"}."""
    evidence, history = training.evidence, training.history
    test = training.split.test
    found: dict[str, Any] = plain(
        {
            "model_version": model_version,
            "data": data(training),
            "test": {"n": int(test.sum()), "churners": int(history.churned[test].sum()), **evidence.test},
            "benchmarks": evidence.benchmarks,
            "health": evidence.health,
            "leaks": evidence.leaks,
            "reliability": reliability(history.churned[test], evidence.scores.probability),
            "capacity": evidence.capacity,
            "groups": evidence.groups,
            "inactivity": [_silence(threshold) for threshold in training.thresholds],
            "calibration": {
                "method": training.learned.choice.method,
                "slopes": training.learned.bundle.calibration.slopes if training.learned.bundle.calibration else {},
                "log_loss": training.learned.choice.log_loss,
                "harm": evidence.harm,
            },
            "model": {"shape": training.learned.forward.shape, "rounds": training.learned.forward.rounds},
            "about": training.learned.bundle.about,
            "notes": evidence.notes,
        }
    )
    return found


SHOWN = ("data", "test", "benchmarks", "health", "leaks", "reliability", "capacity", "groups", "calibration", "notes")


def give_evidence(bundle: Bundle, told: dict[str, Any]) -> None:
    """Put what readers of the served model ask of its training into the bundle: the service has no MLflow to ask."""
    bundle.about["evidence"] = {name: told[name] for name in SHOWN}


def _silence(threshold: Threshold) -> dict[str, Any]:
    """A learned threshold with its evidence: the share that came back after 1, 2, 4, 8 and 12 weeks of silence."""
    weeks = (1, 2, 4, 8, 12)
    return {
        "segment": threshold.segment or "whole book",
        "days": threshold.days,
        "accounts": threshold.accounts,
        "return_rate_after_weeks": {week: threshold.return_rate(7 * week) for week in weeks},
    }


def data(training: Training) -> dict[str, int]:
    """How much there was: accounts, snapshots by outcome (rows), and rows of the sources in quarantine."""
    counts, history = training.history.labels.counts(), training.history
    return {
        "accounts": len(np.unique(history.accounts)),
        "snapshots": int(sum(counts.values())),
        "churners": counts["churned"],
        "churned_accounts": len(np.unique(history.accounts[history.churned])),
        "involuntary": counts["involuntary"],
        "censored": counts["censored"],
        "quarantined": sum(source.rows_quarantined for source in training.staged.sources.values()),
    }


def plain(value: Any) -> Any:
    """Figures, dataclasses and numpy values as plain JSON values; NaN becomes None."""
    if isinstance(value, Figure):
        return value.as_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in vars(value).items()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
