"""The outbox: events written in the transaction that causes them, and their deliveries under leases.

A deliverer claims deliveries for a while (`claim`), sends, and says how it went (`ack`, `fail`). A claim holds until
its lease ends, so two deliverers never send one at the same time; a deliverer that dies leaves a lease that ends.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from serving.store.records import columns, insert_if_absent, read, row_of
from serving.store.tables import deliveries, delivery_attempts, outbox

Status = Literal["pending", "delivered", "dead"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something other systems shall be told, once: a second event with the same `dedupe_key` is not written."""

    kind: str
    account_id: str | None
    body: dict[str, Any]
    created_at: datetime
    dedupe_key: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One event on its way to one target. `attempts` made so far; the next one is due at `next_attempt_at`."""

    id: int
    event_id: str
    target: str
    status: Status
    attempts: int
    next_attempt_at: datetime
    kind: str
    account_id: str | None
    body: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Claim(Delivery):
    """A delivery that is ours until `claimed_until`; `claim` is the proof."""

    claim: str
    claimed_until: datetime


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a delivery and what the target answered."""

    delivery_id: int
    at: datetime
    is_ok: bool
    response: str


def add(db: Connection, event: Event, targets: Sequence[str]) -> str | None:
    """Put an event and its deliveries into the outbox; its id, None where its dedupe key is there already."""
    event_id = uuid4().hex
    row = {"id": event_id, **row_of(event)}
    if not insert_if_absent(db, outbox, row):
        return None
    start = {"status": "pending", "attempts": 0, "next_attempt_at": event.created_at}
    if targets:
        db.execute(insert(deliveries), [{"event_id": event_id, "target": target, **start} for target in targets])
    return event_id


def claim(db: Connection, *, at: datetime, lease: timedelta, limit: int = 50, target: str | None = None) -> list[Claim]:
    """Claim pending deliveries that are due and not claimed by another, longest due first.

    Args:
        db: of `Store.write`; commit before sending.
        at: now.
        lease: how long the claim holds; longer than a send can take.
        limit: how many at most.
        target: only those to this target.
    """
    free = or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= at)
    due = (deliveries.c.status == "pending") & (deliveries.c.next_attempt_at <= at) & free
    query = select(deliveries.c.id).where(due, *_to(target)).order_by(deliveries.c.next_attempt_at, deliveries.c.id)
    ids = db.scalars(query.limit(limit).with_for_update(skip_locked=True)).all()
    if not ids:
        return []
    proof, until = secrets.token_hex(16), at + lease
    db.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(claim=proof, claimed_until=until))
    ours = select(*columns(Claim, deliveries, outbox)).join(outbox).where(deliveries.c.claim == proof)
    return list(read(db, Claim, ours.order_by(deliveries.c.next_attempt_at, deliveries.c.id)))


def ack(db: Connection, claim: Claim, *, at: datetime, response: str) -> bool:
    """The target took it. False where the lease was lost to another deliverer meanwhile: nothing is changed."""
    return _end(db, claim, at=at, response=response, is_ok=True, values={"status": "delivered"})


def fail(db: Connection, claim: Claim, *, at: datetime, response: str, retry_at: datetime | None) -> bool:
    """The target did not take it: try again at `retry_at`, or give up (None: dead). False as `ack`."""
    values = {"status": "dead"} if retry_at is None else {"next_attempt_at": retry_at}
    return _end(db, claim, at=at, response=response, is_ok=False, values=values)


def replay(db: Connection, *, at: datetime, ids: Sequence[int] | None = None, target: str | None = None) -> int:
    """Make dead deliveries pending again, due now, with their attempts counted from 0; how many.

    Args:
        db: of `Store.write`.
        at: now.
        ids: these deliveries; None for all dead ones.
        target: only those to this target.
    """
    dead = update(deliveries).where(deliveries.c.status == "dead", *_to(target))
    if ids is not None:
        dead = dead.where(deliveries.c.id.in_(ids))
    return db.execute(dead.values(status="pending", attempts=0, next_attempt_at=at)).rowcount


def list_deliveries(
    db: Connection, *, status: Status | None = None, target: str | None = None, limit: int = 100
) -> list[Delivery]:
    """Deliveries, newest first."""
    query = select(*columns(Delivery, deliveries, outbox)).join(outbox).where(*_to(target))
    if status is not None:
        query = query.where(deliveries.c.status == status)
    return list(read(db, Delivery, query.order_by(deliveries.c.id.desc()).limit(limit)))


def attempts(db: Connection, delivery_id: int) -> list[Attempt]:
    """The tries of a delivery, oldest first."""
    query = select(*columns(Attempt, delivery_attempts)).where(delivery_attempts.c.delivery_id == delivery_id)
    return list(read(db, Attempt, query.order_by(delivery_attempts.c.id)))


def count(db: Connection) -> dict[Status, int]:
    """Deliveries by status."""
    query = select(deliveries.c.status, func.count().label("number")).group_by(deliveries.c.status)
    return {row.status: row.number for row in db.execute(query)}


def _end(db: Connection, claim: Claim, *, at: datetime, response: str, is_ok: bool, values: dict[str, Any]) -> bool:
    """Write down an attempt and what it changes, if the claim is still ours."""
    ours = (deliveries.c.id == claim.id) & (deliveries.c.claim == claim.claim) & (deliveries.c.status == "pending")
    ended = {"claim": None, "claimed_until": None, "attempts": deliveries.c.attempts + 1}
    if db.execute(update(deliveries).where(ours).values(**ended, **values)).rowcount == 0:
        return False
    attempt = Attempt(delivery_id=claim.id, at=at, is_ok=is_ok, response=response)
    db.execute(insert(delivery_attempts).values(row_of(attempt)))
    return True


def _to(target: str | None) -> list[ColumnElement[bool]]:
    return [] if target is None else [deliveries.c.target == target]
