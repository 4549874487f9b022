"""What is told: events on their way into the outbox, and the envelope in which they leave.

    {"id": "...", "type": "account.tier_changed", "occurred_at": "2026-03-02T00:00:00Z",
     "data": {"object": {"external_id": "acme-001", "health_score": 56.4, "tier": "yellow", ...}, "alert": {...}},
     "previous_attributes": {"health_score": 71.2, "tier": "green"}}

The id is the same on every try: receivers drop an id that they have seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select

from serving.delivery.targets import TYPES, Target, wanting
from serving.store.bulk import AT_ONCE, insert_rows
from serving.store.outbox import Delivery, Event
from serving.store.records import row_of
from serving.store.runs import NewRun
from serving.store.scores import Score
from serving.store.tables import deliveries, outbox

OUTSIDE = {"account_id": "external_id", "previous_health": "previous_score", "value_at_risk": "at_risk_value"}
"""Names under which customer-success systems know what a `Score` holds; the others are the same there."""

NOT_TOLD = ("intercept", "log_odds")
"""Of a `Score` what means nothing outside."""


def enqueue(db: Connection, events: Iterable[Event], targets: Mapping[str, Target]) -> int:
    """Put events into the outbox for the targets that take them; how many were new and had somebody to go to.

    Args:
        db: of `Store.write`, best in the transaction that causes the events: they are told if it is kept, else not.
        events: an event that is there already (same dedupe key) is left alone.
        targets: all that are configured.
    """
    wanted = ((uuid4().hex, event, names) for event in events if (names := wanting(targets, event.kind)))
    new = 0
    while some := list(islice(wanted, AT_ONCE)):
        new += _put(db, some)
    return new


def _put(db: Connection, wanted: Sequence[tuple[str, Event, list[str]]]) -> int:
    """What `outbox.add` does, for many events in three statements: a run of the whole book has one for each account."""
    insert_rows(db, outbox, ({"id": key, **row_of(event)} for key, event, _ in wanted), once=True)
    new = set(db.scalars(select(outbox.c.id).where(outbox.c.id.in_([key for key, *_ in wanted]))))
    start = {"status": "pending", "attempts": 0}
    rows = (
        {"event_id": key, "target": name, "next_attempt_at": event.created_at, **start}
        for key, event, names in wanted
        for name in names
        if key in new
    )
    insert_rows(db, deliveries, rows)
    return len(new)


def scored_event(score: Score, run: NewRun) -> Event:
    """One account as a run scored it, for systems that mirror the scores; once per account and run."""
    about = {"as_of": run.as_of, "scored_at": run.scored_at, "model_version": run.model_version}
    return Event(
        kind="scored",
        account_id=score.account_id,
        body={"object": asdict(score) | about},
        created_at=run.as_of,
        dedupe_key=f"scored:{score.account_id}@{run.as_of.isoformat()}/{run.model_version}/{run.policy_digest}",
    )


def ping_event(target: str, at: datetime) -> Event:
    """A test that says nothing about anybody."""
    text = "A test from Keepwell: this target is reached."
    return Event(
        kind="ping",
        account_id=None,
        body={"alert": {"text": text}},
        created_at=at,
        dedupe_key=f"ping:{target}@{at.isoformat()}",
    )


def envelope(delivery: Delivery) -> dict[str, Any]:
    """What leaves for a receiver; numbers and text only, moments in ISO format with Z."""
    held = delivery.body
    about = held.get("object")
    data = {"object": None if about is None else outside(about), "alert": held.get("alert")}
    return {
        "id": delivery.event_id,
        "type": TYPES.get(delivery.kind, delivery.kind),
        "occurred_at": moment(delivery.created_at),
        "data": {name: value for name, value in data.items() if value is not None},
        "previous_attributes": outside(held.get("previous_attributes") or {}),
    }


def outside(account: Mapping[str, Any]) -> dict[str, Any]:
    """A flat account under the names of outside."""
    return {OUTSIDE.get(name, name): value for name, value in account.items() if name not in NOT_TOLD}


def moment(at: datetime) -> str:
    """A naive UTC moment as others read it."""
    return f"{at.isoformat()}Z"


SCALARS = tuple(OUTSIDE.get(name, name) for name in Score.__dataclass_fields__ if name not in NOT_TOLD)
"""Names of a flat account, in order."""
