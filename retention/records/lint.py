"""What is wrong with a record by now: definitions that moved, inputs nobody checked, reviews missed (systems X17)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from retention.metrics import METRICS
from retention.records import document
from retention.records.deciding import Body, changed_definitions, changed_method, expires_at, signals_of
from retention.records.document import Document
from retention.records.parts import Number
from retention.records.signals import Measurement

Kind = Literal["definition", "input", "owner", "cadence", "freshness", "evidence", "review", "expired", "guardrail"]


DIGESTS = {name: one.digest for name, one in METRICS.items()}


@dataclass(frozen=True)
class Finding:
    """Something to mend, in words."""

    kind: Kind
    text: str


def lint(body: Body, happened: Sequence[dict[str, Any]], newest: Measurement | None, at: datetime) -> list[Finding]:
    """Everything that is wrong with a record.

    Args:
        body: its newest version.
        happened: what its versions say happened, oldest first.
        newest: the newest kept report; None where there is none.
        at: now, naive UTC.
    """
    given = document.read(body["document"], "the stored record")
    return [
        *(Finding("definition", text) for text in changed_definitions(body, DIGESTS) + changed_method(body)),
        *_inputs(given, at),
        *_freshness(given, newest, at),
        *_evidence(given, body),
        *_guardrail(given),
        *_reviews(body, happened, at),
    ]


def _inputs(given: Document, at: datetime) -> Iterator[Finding]:
    for one in given.compare.inputs:
        if not one.verified_by.strip():
            yield Finding("input", f"{one.name}: nobody verified it")
        if not one.owner.strip():
            yield Finding("owner", f"{one.name}: it has no owner")
        if one.refresh_days is None:
            yield Finding("cadence", f"{one.name}: nobody said how often it is refreshed")
        elif one.as_of is not None and (at.date() - one.as_of).days > one.refresh_days:
            yield Finding(
                "freshness", f"{one.name}: as of {one.as_of}, meant to be refreshed in {one.refresh_days} days"
            )
        if one.coverage is None:
            yield Finding("input", f"{one.name}: its coverage is not known")


def _freshness(given: Document, newest: Measurement | None, at: datetime) -> Iterator[Finding]:
    days = given.commit.freshness_days
    if newest is None or at - newest.as_of > timedelta(days=days):
        said = "there is no report" if newest is None else f"the newest report is of {newest.as_of:%Y-%m-%d}"
        yield Finding("freshness", f"{said}; the record wants one of the last {days} days, or shifts stay unseen")


def _evidence(given: Document, body: Body) -> Iterator[Finding]:
    for name, number in numbers(given):
        if number.basis == "assumed":
            yield Finding("evidence", f"{name} is assumed, not measured: {number.source}")
        elif number.confidence == "low":
            yield Finding("evidence", f"{name}: its interval is as wide as half the number or wider")
    for flip in body["decided"]["flips"]:
        if flip["is_within"]:
            yield Finding("evidence", f"{flip['number']} = {flip['at']:.4g} would turn the recommendation to "
                          f"{flip['to']}, and lies within its own range")  # fmt: skip
    for name, figure in body["locked"]["baseline"].items():
        if figure["value"] is None:
            yield Finding("evidence", f"{name}: the report did not measure it, so it has no baseline")


def _guardrail(given: Document) -> Iterator[Finding]:
    paid = [name for name, option in given.compare.options.items() if option.discount > 0]
    if paid and not {signal.metric for signal in signals_of(given)} & LOYALTY:
        yield Finding(
            "guardrail",
            f"option {', '.join(paid)} gives money to those who may leave; let a reversal signal watch that the others "
            f"stay, too: one of {', '.join(sorted(LOYALTY))}",
        )


LOYALTY = frozenset({"logo_churn", "revenue_churn", "grr", "renewal_rate"})
"""Metrics of the whole book, which fall when churners are paid and the loyal are neglected (systems X13)."""


def _reviews(body: Body, happened: Sequence[dict[str, Any]], at: datetime) -> Iterator[Finding]:
    done = {(one["review"], one["due"]) for one in happened if "review" in one}
    for one in body["schedule"]:
        if (one["kind"], one["due"]) not in done and at.date().isoformat() > one["due"]:
            yield Finding("review", f"the {one['kind']} review was due on {one['due']}")
    if at >= expires_at(body):
        yield Finding("expired", f"its horizon ended on {body['schedule'][-1]['due']}: decide again, do not use it")


def numbers(given: Document) -> Iterator[tuple[str, Number]]:
    """The numbers that the comparison rests on, by name; those of holding still are not evidence."""
    yield "churn", given.compare.churn
    yield "value", given.compare.value
    for name, option in given.compare.options.items():
        if name != "A":
            yield f"{name}.effect", option.effect
