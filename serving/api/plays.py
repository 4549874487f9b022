"""Plays that were carried out on an account: recorded here, measured by `keepwell measure`."""

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from serving.api.accounts import scored_now
from serving.api.answers import Answer, Envelope, Moment
from serving.api.asks import Ask, Text
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.errors import ServingError
from serving.playing import record
from serving.store import decisions
from serving.store.decisions import Doing, Intervention
from serving.store.failures import StoreUnavailable


class RecordPlay(Ask):
    """A play of the policy that was carried out; `at` is when, now by default. `cost` is money."""

    play: Text
    at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    owner: Text | None = None
    driver: Text | None = None
    cost: Annotated[float, Field(ge=0, le=1e12)] | None = None
    outcome: Text | None = None


class PlayDone(Answer):
    """A play that was carried out (treated), or left out to be compared with (holdout)."""

    id: int
    at: Moment
    play: str
    arm: Literal["treated", "holdout"]
    owner: str | None
    driver: str | None
    cost: float | None
    outcome: str | None


class PlaysDone(Envelope):
    """An account's plays, oldest first."""

    external_id: str
    plays: list[PlayDone]


def list_plays(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/plays."""
    with asked.context.store.read() as db:
        return _told(asked, db, scored_now(db, asked.path)[0].account_id)


def record_play(asked: Asked, db: Connection) -> Reply:
    """POST /v1/accounts/{id}/plays: recorded together with its line in the audit log."""
    account_id = scored_now(db, asked.path)[0].account_id
    ask: RecordPlay = asked.body
    now = asked.context.clock()
    at = now if ask.at is None else ask.at.astimezone(UTC).replace(tzinfo=None)
    told = ask.model_dump(include={"play", "owner", "driver", "cost", "outcome"})
    caller = {"key_id": asked.caller.key.id, "request_id": asked.request_id}
    try:
        record(db, asked.context.policy, Doing(account_id=account_id, at=at, **told), now=now, **caller)
    except StoreUnavailable:
        raise
    except ServingError as error:
        raise Problem("not-in-policy", str(error)) from None
    return _told(asked, db, account_id, status=201)


def _told(asked: Asked, db: Connection, account_id: str, *, status: int = 200) -> Reply:
    found = decisions.list_interventions(db, account_id=account_id)
    done = PlaysDone(request_id=asked.request_id, external_id=account_id, plays=[_out(one) for one in found])
    return reply(done, status=status)


def _out(one: Intervention) -> PlayDone:
    return PlayDone(**{name: getattr(one, name) for name in PlayDone.model_fields})
