"""From a document and the newest report to a record: definitions locked, reviews dated, the recommendation computed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from retention.errors import RetentionError
from retention.figures import Figure
from retention.metrics import metric
from retention.records import document, scenarios, signals, thresholds
from retention.records.document import Document
from retention.records.signals import Measurement

Body = dict[str, Any]
"""A version of a record as it is kept: `document`, `locked`, `schedule`, `decided`, `happened`, `seen_until`; JSON."""


def decide(given: Document, report: Measurement, at: datetime) -> Body:
    """The first version of a record.

    Args:
        given: what people wrote.
        report: the newest kept report: baseline of the metrics, and what reversal signals are held against from now on.
        at: when it is decided, naive UTC; the reviews are dated from it.

    Raises:
        RetentionError: a signal's metric is not measured, or the signal holds already; or the selected option is not
            the one that the criterion takes, and nobody says why.
    """
    _check_signals(given, report)
    decided = computed(given)
    if given.commit.selected != decided["recommended"] and not given.commit.because.strip():
        raise RetentionError(
            f"[commit] selected = {given.commit.selected!r}, but {given.commit.criterion} takes "
            f"{decided['recommended']!r}; select it, or say in `because` why not"
        )
    return {
        "document": given.model_dump(mode="json"),
        "locked": locked(given, report),
        "schedule": schedule(given, at),
        "decided": decided,
        "happened": {},
        "seen_until": report.as_of.isoformat(),
    }


def computed(given: Document) -> dict[str, Any]:
    """Scenarios, recommendation and thresholds of a document, as JSON; the same document gives the same bytes."""
    found = scenarios.recommend(given.compare, given.commit)
    return {
        "recommended": found.option,
        "expected": dict(found.expected),
        "regret": dict(found.regret),
        "scenarios": [asdict(one) for one in scenarios.outcomes(given.compare)],
        "break_even": [asdict(one) for one in thresholds.break_even(given.compare, given.commit)],
        "levers": [lever.name for lever in thresholds.levers(given.compare)],
        "flips": [asdict(one) for one in thresholds.flips(given.compare, given.commit)],
    }


def locked(given: Document, report: Measurement) -> dict[str, Any]:
    """What the record is judged by, fixed: the metrics' definitions by digest (systems X5), their baseline (X20)."""
    names = dict.fromkeys([*given.frame.metrics, *(one.metric for one in signals_of(given))])
    return {
        "as_of": report.as_of.isoformat(),
        "definitions": {name: metric(name).digest for name in names},
        "baseline": {name: baseline(report, name) for name in names},
        "method": method(),
    }


def baseline(report: Measurement, name: str) -> dict[str, Any]:
    """A metric's figure in the report with n, interval and confidence; a value of None is not measured."""
    held = report.figures.get(name) or {}
    figure = Figure(*(held.get(part) for part in ("value", "n", "low", "high")))
    return asdict(figure) | {"confidence": figure.confidence, "as_of": report.as_of.isoformat()}


def schedule(given: Document, at: datetime) -> list[dict[str, str]]:
    """The reviews and their dates (systems X2): initial, operating at a fixed rhythm until the horizon's end, post."""
    reviews, horizon = given.commit.reviews, min(given.frame.horizon_days, given.commit.reviews.post_days)
    days = [("initial", reviews.initial_days)]
    days += [("operating", d) for d in range(reviews.operating_every_days, horizon, reviews.operating_every_days)]
    days += [("post", reviews.post_days)]
    dated = [{"kind": kind, "due": (at + timedelta(days=day)).date().isoformat()} for kind, day in days]
    return sorted(dated, key=lambda one: one["due"])


def expires_at(body: Body) -> datetime:
    """The end of the last review's day: from then on the record is not to be used (systems X18)."""
    return datetime.fromisoformat(body["schedule"][-1]["due"]) + timedelta(days=1)


def signals_of(given: Document) -> list[signals.Signal]:
    """The document's reversal signals, read."""
    return [signals.read(text) for text in given.commit.reversal_signals]


def replay(body: Body) -> list[str]:
    """Decide again from what is stored: what differs, in words; nothing where every number is the same to the bit."""
    given = document.read(body["document"], "the stored record")
    again, told = json.loads(json.dumps(computed(given))), []
    for name, before in body["decided"].items():
        if again[name] != before:
            told.append(f"{name}: {json.dumps(before)} is now {json.dumps(again[name])}")
    return told


def changed_definitions(body: Body, definitions: Mapping[str, str]) -> list[str]:
    """Which of the record's metrics are defined differently from when it was decided, in words."""
    held = body["locked"]["definitions"]
    return [
        f"the definition of {name} changed since it was decided ({held[name]}, now {definitions.get(name)})"
        for name in held
        if definitions.get(name) != held[name]
    ]


def changed_method(body: Body) -> list[str]:
    """Whether the code that computes recommendations is another than the one that computed this one, in words."""
    held, now = body["locked"]["method"], method()
    return [] if held == now else [f"the method that computes recommendations changed since ({held}, now {now})"]


def method() -> str:
    """A digest of the code that computes scenarios and thresholds."""
    sources = [Path(str(module.__file__)).read_bytes() for module in (scenarios, thresholds)]
    return sha256(b"\n".join(sources)).hexdigest()[:12]


def _check_signals(given: Document, report: Measurement) -> None:
    for signal in signals_of(given):
        value = report.value(signal.metric)
        if value is None:
            raise RetentionError(
                f"reversal signal {signal.text!r}: the report as of {report.as_of:%Y-%m-%d} does not measure "
                f"{signal.metric}; it measures {', '.join(report.figures) or 'no metric'}"
            )
        if signal.holds(value):
            raise RetentionError(
                f"reversal signal {signal.text!r} holds already: {signal.metric} is {value:g}; choose another bound"
            )


def measurements(bodies: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Kept reports as measurements, oldest first."""
    found = [
        Measurement(
            as_of=datetime.fromisoformat(body["as_of"]),
            figures=body.get("figures") or {},
            definitions=body.get("definitions") or {},
        )
        for body in bodies
    ]
    return sorted(found, key=lambda one: one.as_of)
