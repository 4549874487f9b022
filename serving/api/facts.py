"""Facts that no table holds and a person tells of an account, kept with their line in the audit log."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection

from serving.api.accounts import scored_now
from serving.api.answers import Answer, Envelope, Moment
from serving.api.asks import NAMES, Ask, Text, Value
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.errors import ServingError
from serving.policy import Input
from serving.store import facts
from serving.store.facts import Fact
from serving.store.failures import StoreUnavailable
from serving.telling import Teller
from serving.telling import tell as keep


class Tell(Ask):
    """Facts by name: a number, a date (YYYY-MM-DD) where the name ends in _days_ago, or null to take one back.

    What is not named stays as it is. The policy's `[inputs]` say what can be told.
    """

    facts: Annotated[dict[Text, Value], Field(min_length=1, max_length=100, json_schema_extra=NAMES)]
    note: Text | None = None


class FactOut(Answer):
    """A fact in force: `value` is a number or `date` a date; both are null where nobody told it, or took it back.

    `at` is when it became known: a run as of that moment or later reads it.
    """

    name: str
    text: str | None
    value: float | None
    date: str | None
    at: Moment | None
    by: str | None
    note: str | None


class FactsAnswer(Envelope):
    """What persons told of an account: all that the policy asks for, and all that was ever told, newest first."""

    external_id: str
    facts: list[FactOut]
    history: list[FactOut]


def list_facts(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/facts."""
    with asked.context.store.read() as db:
        return _told(asked, db, scored_now(db, asked.path)[0].account_id)


def tell_facts(asked: Asked, db: Connection) -> Reply:
    """PUT /v1/accounts/{id}/facts: recorded together with its lines in the audit log."""
    scored, _, _ = scored_now(db, asked.path)
    ask: Tell = asked.body
    now = asked.context.clock()
    teller = Teller(now=now, at=now, key_id=asked.caller.key.id, request_id=asked.request_id)
    try:
        keep(db, asked.context.policy, scored.account_id, ask.facts, teller, note=ask.note)
    except StoreUnavailable:
        raise
    except ServingError as error:
        raise Problem("not-in-policy", str(error)) from None
    return _told(asked, db, scored.account_id)


def _told(asked: Asked, db: Connection, account_id: str) -> Reply:
    inputs, past = asked.context.policy.inputs, facts.history(db, account_id)
    held = facts.in_force(db, account_id, at=asked.context.clock())
    answer = FactsAnswer(
        request_id=asked.request_id,
        external_id=account_id,
        facts=[_out(inputs, name, held.get(name)) for name in inputs],
        history=[_out(inputs, fact.name, fact) for fact in past],
    )
    return reply(answer)


def _out(inputs: Mapping[str, Input], name: str, fact: Fact | None) -> FactOut:
    told: dict[str, Any] = {"value": None, "date": None, "at": None, "by": None, "note": None}
    if fact:
        day = fact.moment.date().isoformat() if fact.moment else None
        told = {"value": fact.value, "date": day, "at": fact.at, "by": fact.by, "note": fact.note}
    return FactOut(name=name, text=inputs[name].text if name in inputs else None, **told)
