"""Rolling origins: the whole procedure repeated at several past dates, each time with what was known then."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.config import Settings
from features.engine import Engine
from features.sources import stage
from training import metrics
from training.benchmarks import benchmarks
from training.errors import EvidenceError
from training.evidence import Evidence, judge
from training.health_evidence import health_figures
from training.history import History, load_history
from training.intervals import clustered
from training.learn import Learned, learn
from training.run import Stage, Training, as_json, plain
from training.split import Split, by_lot, forward_folds

OF_ONE = ("capacity", "groups", "inactivity", "calibration", "reliability", "model", "about")
"""What is told of the last origin alone."""
FEWEST_BEHIND = 0.4
"""The first origin has at least this share of the judged rows behind it."""


def backtest(settings: Settings, engine: Engine, origins: int, tell: Stage) -> dict[str, Any]:
    """What `backtest --json` prints: the object of `train --json` over all origins' test rows, and each origin.

    Raises:
        EvidenceError: no origin has enough history behind it; says what is missing.
    """
    tell("reading the sources", 0, 1)
    staged = stage(settings, engine)
    history, _ = load_history(settings, engine, staged, lambda done, all_: tell("features", done, all_))
    runs: list[tuple[Split, Learned, Evidence]] = []
    refused: list[str] = []
    for i, split in enumerate(_origins(settings, history, origins)):
        tell("origins", i, origins)
        try:
            learned = learn(settings, history, split.development, split.folds, lambda done, all_: None)
        except EvidenceError as error:
            refused.append(f"{split.first_test:%Y-%m-%d}: {error}")
            continue
        runs.append((split, learned, judge(settings, history, learned, split.development, split.test)))
    if not runs:
        raise EvidenceError("no origin could be judged:\n" + "\n".join(refused))
    return _told(Training(settings, staged, history, *runs[-1]), runs, refused)


def _origins(settings: Settings, history: History, origins: int) -> Iterator[Split]:
    """Splits at dates that divide the later judged rows evenly; each tests up to the next."""
    moments, judged = history.moments, history.judged
    times = np.sort(moments[judged].astype("datetime64[us]").astype(np.int64))
    edges = np.unique(np.quantile(times, np.linspace(FEWEST_BEHIND, 1, origins + 1)[:-1], method="higher"))
    starts = edges.astype("datetime64[us]")
    ends = [*starts[1:], moments.max() + np.timedelta64(1, "D")]
    gap = np.timedelta64(settings.gap_days, "D")
    for start, end in zip(starts, ends, strict=True):
        development = judged & (moments + gap <= start)
        test = by_lot(judged & (moments >= start) & (moments < end), history.accounts)
        if development.any() and test.any():
            first, last = start.item(), moments[development].max().astype("datetime64[us]").item()
            if not (isinstance(first, datetime) and isinstance(last, datetime)):
                raise EvidenceError("snapshot moments are not dates; this is a bug, please report it")
            yield Split(development, test, forward_folds(moments, development, settings.gap_days), first, last)


def _told(last: Training, runs: list[tuple[Split, Learned, Evidence]], refused: list[str]) -> dict[str, Any]:
    """The last origin's object with its figures replaced by those over all origins' test rows together.

    The weights stay the last origin's; each origin tells its own.
    """
    history = last.history
    test = np.concatenate([np.flatnonzero(split.test) for split, _, _ in runs])
    truth, accounts = history.churned[test], history.accounts[test]

    def pooled(parts: list[NDArray[np.float64]]) -> dict[str, Any]:
        found = clustered(metrics.statistic(truth, np.concatenate(parts)), accounts, draws=300)
        return {name: figure.as_dict() for name, figure in found.items()}

    names, matrix = history.catalogue.names, history.matrix
    rivals = [
        benchmarks(names, matrix, history.churned, s.development, s.test, by_lot(s.development, history.accounts))
        for s, _, _ in runs
    ]
    told = as_json(last, None)
    told["test"] = {"n": len(test), "churners": int(truth.sum()), **pooled([e.scores.probability for _, _, e in runs])}
    told["benchmarks"] = {name: pooled([r[name] for r in rivals]) for name in rivals[0]}
    looks = [evidence.look for _, _, evidence in runs]
    told["health"] |= plain(health_figures(looks, last.learned.bundle.tiers, truth, accounts))
    told["last_origin"] = {name: told.pop(name) for name in OF_ONE}
    told["origins"] = [_origin(history, *run) for run in runs]
    told["refused"] = refused
    return told


def _origin(history: History, split: Split, learned: Learned, evidence: Evidence) -> dict[str, Any]:
    return {
        "test_from": f"{split.first_test:%Y-%m-%d}",
        "n": int(split.test.sum()),
        "churners": int(history.churned[split.test].sum()),
        **{name: evidence.test[name].as_dict() for name in ("auc", "average_precision", "log_loss", "lift_at_10pct")},
        "health_auc": evidence.health["auc"].as_dict(),
        "weights": {c: f.as_dict() for c, f in learned.weight_intervals.items()},
    }
