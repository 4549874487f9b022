"""Whose turn it is: claims in order, and how a target has been doing, both read from the delivery log.

An account's later event is claimed for a target only when none of its earlier ones is still on its way there, so that
a target learns of one account in order. Accounts do not wait for one another. An event that was given up (dead) lets
the later ones pass, and comes after them if it is replayed: `occurred_at` tells.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, select, update

from serving.store.outbox import Claim
from serving.store.records import columns, read
from serving.store.tables import deliveries, delivery_attempts, outbox

IN_A_ROW = 5
"""Failures in a row after which a target is left alone for `PAUSE`."""

PAUSE = timedelta(minutes=10)
"""Then one delivery is tried; the first that is taken ends the pause."""

LARGEST_CALL = 200
"""Deliveries in one call, at most."""


@dataclass(frozen=True)
class State:
    """How a target is doing.

    Attributes:
        target: its name.
        failures_in_a_row: calls that failed since the last that went well; counted up to `IN_A_ROW`.
        paused_until: when one delivery is tried again; None when it is not paused.
        is_disabled: it answered 410 Gone: nothing is sent until a ping goes well.
    """

    target: str
    failures_in_a_row: int = 0
    paused_until: datetime | None = None
    is_disabled: bool = False

    def allowance(self, at: datetime, limit: int) -> int:
        """How many deliveries may be tried now."""
        if self.is_disabled or (self.paused_until is not None and at < self.paused_until):
            return 0
        return limit if self.paused_until is None else 1

    @property
    def told(self) -> str:
        """In words."""
        if self.is_disabled:
            return "disabled: it answered 410 Gone; correct its address, then ping it"
        if self.paused_until is None:
            return "running"
        return f"paused until {self.paused_until:%Y-%m-%d %H:%M} UTC after {self.failures_in_a_row} failures in a row"


def claim(
    db: Connection, *, target: str, at: datetime, lease: timedelta, limit: int, event_id: str | None = None
) -> list[Claim]:
    """Claim a target's deliveries that are due and whose turn it is, longest due first.

    Args:
        db: of `Store.write`; commit before sending.
        target: whose.
        at: now.
        lease: how long the claim holds; longer than the sending can take.
        limit: how many at most.
        event_id: only this event, whosever turn it is.
    """
    free = deliveries.c.claimed_until.is_(None) | (deliveries.c.claimed_until <= at)
    due = (deliveries.c.status == "pending") & (deliveries.c.next_attempt_at <= at) & free
    query = select(deliveries.c.id).join(outbox).where(due, deliveries.c.target == target)
    query = query.where(~_earlier() if event_id is None else outbox.c.id == event_id)
    query = query.order_by(deliveries.c.next_attempt_at, deliveries.c.id).limit(limit)
    ids = db.scalars(query.with_for_update(skip_locked=True, of=deliveries)).all()
    if not ids:
        return []
    proof = secrets.token_hex(16)
    db.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(claim=proof, claimed_until=at + lease))
    ours = select(*columns(Claim, deliveries, outbox)).join(outbox).where(deliveries.c.id.in_(ids))
    return list(read(db, Claim, ours.order_by(deliveries.c.next_attempt_at, deliveries.c.id)))


def release(db: Connection, claims: Sequence[Claim]) -> None:
    """Give claims back that were not tried."""
    for one in claims:
        ours = (deliveries.c.id == one.id) & (deliveries.c.claim == one.claim)
        db.execute(update(deliveries).where(ours).values(claim=None, claimed_until=None))


def hold(db: Connection, target: str, until: datetime) -> None:
    """Let nothing be due for a target before a moment: it asked for that."""
    pending = (deliveries.c.target == target) & (deliveries.c.status == "pending")
    late = update(deliveries).where(pending, deliveries.c.next_attempt_at < until)
    db.execute(late.values(next_attempt_at=until))


def states(db: Connection, targets: Sequence[str]) -> dict[str, State]:
    """How the targets have been doing, by name, from their last calls in the log."""
    return {target: _state(db, target) for target in targets}


def has_due(db: Connection, target: str, at: datetime) -> bool:
    """Whether anything waits that is due for a target."""
    due = (deliveries.c.status == "pending") & (deliveries.c.next_attempt_at <= at) & (deliveries.c.target == target)
    return db.scalar(select(deliveries.c.id).where(due).limit(1)) is not None


def _state(db: Connection, target: str) -> State:
    """A call is all attempts of one moment: a batch that failed whole has failed once."""
    tries = delivery_attempts
    recent = select(tries.c.at, tries.c.is_ok, tries.c.response).join(deliveries).where(deliveries.c.target == target)
    last = recent.order_by(tries.c.id.desc()).limit(IN_A_ROW * LARGEST_CALL).subquery()
    calls: Select[Any] = select(
        last.c.at,
        func.max(case((last.c.is_ok, 1), else_=0)).label("is_ok"),
        func.max(case((last.c.response.like("410%"), 1), else_=0)).label("is_gone"),
    )
    made = db.execute(calls.group_by(last.c.at).order_by(last.c.at.desc()).limit(IN_A_ROW)).all()
    failed = next((i for i, call in enumerate(made) if call.is_ok), len(made))
    until = made[0].at + PAUSE if failed >= IN_A_ROW else None
    return State(target, failed, until, is_disabled=any(call.is_gone for call in made[:failed]))


def _earlier() -> ColumnElement[bool]:
    """Whether an earlier event of the same account is on its way to the same target.

    The status is compared as an expression, so that no planner walks all pending deliveries by their index: an account
    has few events, an outbox after a large run has many.
    """
    other, about = deliveries.alias("other"), outbox.alias("about")
    same = (other.c.target == deliveries.c.target) & (about.c.account_id == outbox.c.account_id)
    waits = (func.coalesce(other.c.status, "") == "pending") & (other.c.id < deliveries.c.id)
    return exists().where(about.c.id == other.c.event_id, same, waits)
