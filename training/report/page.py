"""The page of a training run: one HTML file that needs nothing else, in the order in which a reviewer asks."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from serving.errors import ServingError
from serving.health import RANGES, TYPICAL
from serving.score import by_component
from training.evidence import CAPACITIES
from training.report import charts, dated_charts, words
from training.report.pictures import beeswarm
from training.run import Training, as_json

AGES = ((90, "to 90 days"), (180, "91 to 180"), (365, "181 to 365"), (730, "2nd year"), (np.inf, "later"))
"""Accounts by days since they began."""


def write(training: Training, path: Path) -> None:
    """Write the page of a training run; its numbers are those of `train --json`.

    Raises:
        ServingError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(training), encoding="utf-8")
    except OSError as error:
        raise ServingError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def render(training: Training) -> str:
    """The page as text. Every word from the company's own data is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    said: tuple[Callable[..., Any], ...] = (
        words.figure, words.figure_percent, words.number, words.percent, words.verdict, words.count, words.short
    )  # fmt: skip
    environment.filters |= {name.__name__: name for name in said}
    template = environment.from_string((files("training.report") / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        told=as_json(training, None),
        company=training.settings.company.name,
        population=training.settings.population.model_dump(),
        pictures={name: Markup(drawn) for name, drawn in pictures(training).items()},
        sources=[asdict(source) for source in training.staged.sources.values()],
        features=_by_component(training),
        metrics=words.METRICS,
        contenders=words.CONTENDERS,
        typical=TYPICAL,
        ranges=RANGES,
        tiers=training.learned.bundle.tiers,
    )


def pictures(training: Training) -> dict[str, str]:
    """Every picture of the page as SVG, by name; empty where there is nothing to show."""
    history, test, found = training.history, training.split.test, training.evidence.scores
    churned = history.churned[test]
    return {
        "timeline": _timeline(training),
        "calibration": charts.calibration(churned, found.probability),
        "gain": charts.gain(churned, found.probability, CAPACITIES),
        "weights": charts.weights(training.learned.weight_intervals),
        "tiers": charts.tiers(training.evidence.health["tiers"], float(churned.mean())),
        "health": charts.health_by_fate(found.health, churned, training.learned.bundle.tiers),
        "drivers": beeswarm(found.drivers, history.values(test), [f.definition for f in history.catalogue.features]),
        "months": _months(training),
        "ages": _ages(training),
    }


def _timeline(training: Training) -> str:
    split, moments = training.split, training.history.moments
    first, last = moments[split.development].min(), moments[split.test].max()
    periods = [
        ("learned from", first.astype("datetime64[us]").item(), split.last_training),
        ("gap", split.last_training, split.first_test),
        ("tested", split.first_test, last.astype("datetime64[us]").item()),
    ]
    return dated_charts.timeline(periods, moments[training.history.judged])


def _months(training: Training) -> str:
    """Churn by month of the snapshot, development and test apart; predicted where nothing was learned from the row."""
    history, test = training.history, training.split.test
    rows = history.judged
    month = history.moments.astype("datetime64[M]").astype(str)
    keys = [("test" if late else "before", name) for late, name in zip(test[rows], month[rows], strict=True)]
    order = sorted(set(keys))
    groups = np.array([order.index(key) for key in keys])
    before = sum(period == "before" for period, _ in order)
    predicted = _foretold(training)[rows]
    return dated_charts.cohorts(
        [name for _, name in order], groups, history.churned[rows], predicted, "month of the snapshot", before
    )


def _foretold(training: Training) -> NDArray[np.float64]:
    """Calibrated probability of each row by a model that had not seen it; NaN where there was none."""
    bundle, forward = training.learned.bundle, training.learned.forward
    predicted = np.full(len(training.history.moments), np.nan)
    if bundle.calibration is not None:
        margins = by_component(bundle, forward.contributions[:, :-1])
        predicted[forward.rows] = bundle.calibration.apply(margins)
    predicted[training.split.test] = training.evidence.scores.probability
    return predicted


def _ages(training: Training) -> str:
    """Churn of the test rows by the account's age; nothing where no source tells when accounts began."""
    history, test = training.history, training.split.test
    if "account_age_days" not in history.catalogue.names:
        return ""
    age = history.column("account_age_days")[test]
    groups = np.searchsorted([limit for limit, _ in AGES], age, side="left")
    there = sorted(set(groups[~np.isnan(age)].tolist()))
    names, position = [AGES[g][1] for g in there], {g: i for i, g in enumerate(there)}
    placed = np.array([position.get(g, -1) if known else -1 for g, known in zip(groups, ~np.isnan(age), strict=True)])
    probability = training.evidence.scores.probability
    return dated_charts.cohorts(names, placed, history.churned[test], probability, "age of the account")


def _by_component(training: Training) -> dict[str, list[dict[str, Any]]]:
    rows = training.history.catalogue.as_rows()
    return {c: [row for row in rows if row["component"] == c] for c in training.history.catalogue.components}
