"""Usage events that a company posts as they happen, ahead of its tables: judged as rows of these, and kept."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat
from sqlalchemy import Connection

from serving.api.answers import Answer, Moment
from serving.api.asks import AccountId, Ask, Text, When
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.store import audit, own_rows, usage_events
from serving.store.audit import Entry
from serving.store.usage_events import NewEvent

MOST_EVENTS = 500
NO_ROWS = (
    "the last run kept no rows of its accounts: run `keepwell score --store` with `[store] keep_rows = true` and "
    '`engine = "duckdb"`, as they are where nothing else is said'
)


class Event(Ask):
    """A usage event, or a line of an order: what a row of [sources.usage] is. `at` is when it happened."""

    account_id: AccountId
    at: When
    row_id: Text | None = Field(None, description="one id counts once, here and in the tables")
    user_id: Text | None = None
    session_id: Text | None = None
    event: Text | None = None
    quantity: FiniteFloat | None = None
    value: FiniteFloat | None = Field(None, description="money")


class PostEvents(Ask):
    """Events of any accounts, in any order."""

    events: Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]


class EventOut(Answer):
    """What became of an event.

    `accepted`: it is kept, and the account's next score counts it. `duplicate`: one of this row_id was posted before
    and stands. `refused`: it is not kept, `error` says why, in the words of `keepwell check`.
    """

    status: Literal["accepted", "duplicate", "refused"]
    error: str | None = None


class EventsPosted(Answer):
    """What became of each event, in the order given. `tables_until` is the newest usage row of the tables."""

    request_id: str
    tables_until: Moment | None
    results: list[EventOut]


def post_events(asked: Asked, db: Connection) -> Reply:
    """POST /v1/events: kept together with the line in the audit log, ids and values left out of the latter."""
    of = own_rows.current(db)
    if of is None or "usage" not in of.about["sources"]:
        raise Problem("no-rows", NO_ROWS if of is None else "[sources.usage] is not mapped: nothing is a usage event")
    now = asked.context.clock()
    ask: PostEvents = asked.body
    events = [_new(event, now) for event in ask.events]
    known = own_rows.known(db, of, list({event.account_id for event in events}))
    faults = asked.context.inputs.faults(of.about, known, events, now)
    told = [_kept(db, event, fault) for event, fault in zip(events, faults, strict=True)]
    counts = dict(Counter(str(one.status) for one in told))
    key_id, request_id = asked.caller.key.id, asked.request_id
    audit.record(db, [Entry(at=now, action="post events", key_id=key_id, request_id=request_id, detail=counts)])
    until = of.about["sources"]["usage"]["last_at"]
    newest = datetime.fromisoformat(until) if until else None
    return reply(EventsPosted(request_id=asked.request_id, tables_until=newest, results=told))


def _new(event: Event, now: datetime) -> NewEvent:
    """As it is kept: texts without outer blanks, as the tables' are staged, so that ids are the same."""
    told: dict[str, Any] = event.model_dump()
    texts = {name: text.strip(" ") or None for name, text in told.items() if isinstance(text, str)}
    return NewEvent(**{**told, **texts, "account_id": event.account_id.strip(" "), "known_at": now})


def _kept(db: Connection, event: NewEvent, fault: str | None) -> EventOut:
    if fault is not None:
        return EventOut(status="refused", error=fault)
    return EventOut(status="accepted" if usage_events.keep(db, event) else "duplicate")
