"""Accounts of which events were posted since the last run: they are scored anew, from their own rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from features.online import next_midnight
from serving.api.answers import Result
from serving.api.context import Context
from serving.api.models import Live
from serving.store import facts, own_rows, usage_events
from serving.store.own_rows import Own
from serving.store.runs import Run
from serving.store.usage_events import PostedEvent


@dataclass(frozen=True)
class Since:
    """What came since a run, by account: of accounts with an event that the run does not count, and of no others.

    `events` are all that are kept of these accounts, `new` how many the run does not count, `facts` the numbers that
    persons told by now, `own` the accounts' rows (None: no run keeps them).
    """

    at: datetime
    events: Mapping[str, Sequence[PostedEvent]] = field(default_factory=dict)
    new: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    own: Own | None = None


def look_since(db: Connection, run: Run, account_ids: Sequence[str], now: datetime) -> Since:
    """What came of some accounts since a run; one look-up where nothing did."""
    at = next_midnight(now)
    events = defaultdict(list)
    for event in usage_events.of(db, account_ids):
        events[event.account_id].append(event)
    new = {account: sum(_is_new(event, run) for event in kept) for account, kept in events.items()}
    touched = [account for account, number in new.items() if number]
    if not touched:
        return Since(at)
    return Since(
        at,
        events={account: events[account] for account in touched},
        new={account: new[account] for account in touched},
        facts={account: _numbers(db, account, now, at) for account in touched},
        own=own_rows.fetch(db, touched),
    )


def _is_new(event: PostedEvent, run: Run) -> bool:
    return event.counted_as_of is None or event.counted_as_of < run.as_of


def _numbers(db: Connection, account_id: str, now: datetime, at: datetime) -> dict[str, float]:
    numbers = {name: fact.number(at) for name, fact in facts.in_force(db, account_id, at=now).items()}
    return {name: number for name, number in numbers.items() if number is not None}


def inputs_since(context: Context, live: Live | None, since: Since, now: datetime) -> dict[str, list[float]]:
    """The inputs of now of the accounts with news; of none where there is no model, or no run keeps rows."""
    if live is None or since.own is None or not since.own.known:
        return {}
    events = [event for kept in since.events.values() for event in kept]
    return context.inputs.of(live.bundle, since.own, events, now)


def told_since(result: Result, live: Live | None, since: Since) -> Result:
    """A result that says how many events were posted since the run and, where it does not count them, why."""
    number = since.new.get(result.external_id, 0)
    if not number:
        return result
    told = result.model_copy(update={"events_since": number})
    if result.source != "stored" or told.data_quality is None:
        return told
    why = "no model is live" if live is None else "no run keeps its rows" if since.own is None else "no table knows it"
    warnings = [*told.data_quality.warnings, f"events posted since ({number}) are not counted: {why}"]
    return told.model_copy(update={"data_quality": told.data_quality.model_copy(update={"warnings": warnings})})
