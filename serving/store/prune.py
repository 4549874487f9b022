"""Prune: of what is old, keep what tells the story, and drop the rest.

Of the time before a moment go: shadow runs; shown runs but the last of each week (Monday to Sunday, UTC), unless a
person decided something on them; events that everybody has taken, with their deliveries and tries; answers kept under
idempotency keys; and audit entries only where that is asked for. Decisions, plays, warning signs, facts, jobs and
deliveries that wait or were given up always stay, and so does all that belongs to the newest run's day or a later one.
Files of SQLite do not shrink: what became free is used again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select

from serving.store import idempotency
from serving.store.opening import Store
from serving.store.runs import latest
from serving.store.tables import audit, decisions, deliveries, delivery_attempts, outbox, runs, scores
from serving.store.tables import idempotency as answers

CHUNK = 1000
"""Rows dropped in one transaction: whoever else writes waits no longer than that takes."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many rows went, or would go, of the time before `before`. `scores` are those of all runs that go."""

    before: datetime
    shadow_runs: int
    runs: int
    scores: int
    events: int
    answers: int
    audit_entries: int

    @property
    def counts(self) -> dict[str, int]:
        """All but the moment."""
        return {name: number for name, number in asdict(self).items() if name != "before"}


def prune(store: Store, *, at: datetime, keep_days: int, with_audit: bool = False, is_trial: bool) -> Pruned:
    """Drop what is older than so many days; or, on trial, only count it.

    A transaction each for a run and for a thousand rows of the rest, beside a running service; a pruning that was
    broken off is simply done again.

    Raises:
        StoreUnavailable: the database is locked, full or away; what was dropped so far stays dropped.
    """
    with store.read() as db:
        before = _before(db, at - timedelta(days=keep_days))
        shadows, shown = _old_runs(db, before)
        taken = _taken(db, before)
        entries = audit.c.at < before if with_audit else audit.c.id.is_(None)
        found = Pruned(
            before=before,
            shadow_runs=len(shadows),
            runs=len(shown),
            scores=sum(_count(db, scores.c.run_id == run_id) for run_id in [*shadows, *shown]),
            events=_count(db, taken),
            answers=_count(db, answers.c.created_at <= at - idempotency.KEPT),
            audit_entries=_count(db, entries),
        )
    if not is_trial:
        for run_id in [*shadows, *shown]:
            with store.write() as db:
                db.execute(delete(runs).where(runs.c.id == run_id))
        _drop(store, outbox, taken)
        _drop(store, audit, entries)
        with store.write() as db:
            idempotency.expire(db, at=at)
        store.sweep()
    return found


def _before(db: Connection, moment: datetime) -> datetime:
    """The moment, but not after the newest run: its day stays whole, so that nothing of it is told again."""
    newest = latest(db)
    return moment if newest is None else min(moment, newest.as_of)


def _old_runs(db: Connection, before: datetime) -> tuple[Sequence[int], Sequence[int]]:
    """Ids of the shadow runs and of the shown runs that go."""
    held = db.execute(select(runs.c.id, runs.c.as_of, runs.c.is_shadow).order_by(runs.c.as_of, runs.c.id)).all()
    last_of_week = {run.as_of.isocalendar()[:2]: run.id for run in held if not run.is_shadow}
    kept = {*last_of_week.values(), *db.scalars(select(decisions.c.run_id).distinct())}
    old = [run for run in held if run.as_of < before and run.id not in kept]
    return [run.id for run in old if run.is_shadow], [run.id for run in old if not run.is_shadow]


def _taken(db: Connection, before: datetime) -> ColumnElement[bool]:
    """Events with nothing left to do. The last good try of each target stays: how a target is doing is read from it."""
    tries = delivery_attempts.join(deliveries)
    good = select(func.max(delivery_attempts.c.id)).select_from(tries).where(delivery_attempts.c.is_ok)
    last = delivery_attempts.c.id.in_(good.group_by(deliveries.c.target))
    needed = db.scalars(select(deliveries.c.event_id).select_from(tries).where(last)).all()
    is_open = exists().where(deliveries.c.event_id == outbox.c.id, deliveries.c.status != "delivered")
    return (outbox.c.created_at < before) & outbox.c.id.not_in(needed) & ~is_open


def _count(db: Connection, condition: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).where(condition)) or 0


def _drop(store: Store, table: Table, condition: ColumnElement[bool]) -> None:
    some: Any = select(table.c.id).where(condition).limit(CHUNK)
    dropped = CHUNK
    while dropped == CHUNK:
        with store.write() as db:
            dropped = db.execute(delete(table).where(table.c.id.in_(some))).rowcount
