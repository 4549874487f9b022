"""Usage events that were posted before the company's tables deliver them; kept until the tables have passed them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from serving.store.records import columns, insert_if_absent, read, row_of
from serving.store.tables import usage_events

CHUNK = 1000
"""Ids in one statement, or events fetched at once, at most."""


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event as it was posted; `known_at` is when it was received, moments are naive UTC."""

    account_id: str
    at: datetime
    known_at: datetime
    row_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    event: str | None = None
    quantity: float | None = None
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class PostedEvent(NewEvent):
    """An event in the store; `counted_as_of` is the moment of the newest run that counts it, None for none."""

    id: int
    counted_as_of: datetime | None


def keep(db: Connection, event: NewEvent) -> bool:
    """Keep an event; False where one of the same row_id was posted before, which stands."""
    return insert_if_absent(db, usage_events, row_of(event))


def of(db: Connection, account_ids: Sequence[str]) -> list[PostedEvent]:
    """The events of some accounts, in the order in which they were kept."""
    query = select(*columns(PostedEvent, usage_events)).where(usage_events.c.account_id.in_(account_ids))
    return list(read(db, PostedEvent, query.order_by(usage_events.c.id)))


def all_events(db: Connection) -> Iterator[PostedEvent]:
    """The events of all accounts, in the order in which they were kept, a few at a time in memory."""
    query = select(*columns(PostedEvent, usage_events)).order_by(usage_events.c.id)
    return read(db, PostedEvent, query.execution_options(yield_per=CHUNK))


def counted(db: Connection, ids: Iterable[int], *, as_of: datetime) -> None:
    """Say that a run as of a moment counts these events."""
    for some in _chunks(ids):
        db.execute(update(usage_events).where(usage_events.c.id.in_(some)).values(counted_as_of=as_of))


def drop(db: Connection, ids: Iterable[int]) -> None:
    """Drop events that the tables have passed."""
    for some in _chunks(ids):
        db.execute(delete(usage_events).where(usage_events.c.id.in_(some)))


def _chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    held = list(ids)
    return [held[start : start + CHUNK] for start in range(0, len(held), CHUNK)]
