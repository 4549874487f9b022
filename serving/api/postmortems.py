"""The post-mortem of an account's last loss: what the newest report says, and the cause that persons found."""

from datetime import datetime

from sqlalchemy import Connection

from retention.errors import RetentionError
from retention.reasons.causes import FOUND, Vocabulary
from serving.api.answers import Answer, Envelope, Moment
from serving.api.asks import Ask, Text
from serving.api.context import Context
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.finding import find, found
from serving.store import reported
from serving.store.checks import Kept
from serving.store.reported import Reported
from serving.telling import Teller

CHAPTER, LOSSES = "reasons", "postmortems"


class NameCause(Ask):
    """What the loss really was: a cause of retention.toml by its name, and what is learned."""

    cause: Text
    note: Text | None = None


class CauseFound(Answer):
    """A cause that a person found; `title` is null where retention.toml has it no more.

    `at` is the moment of the report that showed the loss: a report as of then or later counts it.
    """

    id: int
    at: Moment
    by: str
    cause: str
    title: str | None
    note: str | None


class PostMortemAnswer(Envelope):
    """An account's last loss as of a report, the causes found of its losses (newest first), and those to choose from.

    `cause` is in words, as found, stated or inferred by the report; `unanswered` counts warnings that no play answered.
    """

    external_id: str
    as_of: Moment
    lost_at: Moment
    yearly_value: float | None
    cause: str | None
    summary: str
    unanswered: int
    found: list[CauseFound]
    causes: dict[str, str]


def show_postmortem(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/postmortems."""
    with asked.context.store.read() as db:
        return reply(_told(asked, db, _lost(asked, db)))


def name_cause(asked: Asked, db: Connection) -> Reply:
    """POST /v1/accounts/{id}/postmortems: recorded together with its line in the audit log."""
    lost, ask = _lost(asked, db), asked.body
    key_id, now = asked.caller.key.id, asked.context.clock()
    teller = Teller(now=now, at=lost.as_of, key_id=key_id, request_id=asked.request_id)
    try:
        find(db, asked.context.causes, lost.account_id, ask.cause, teller, note=ask.note)
    except RetentionError as error:
        raise Problem("no-such-cause", str(error)) from None
    return reply(_told(asked, db, lost), status=201)


def lost_in(db: Connection, account_id: str) -> Reported | None:
    """What the newest report says of an account, if it tells of a loss of it."""
    kept = reported.of(db, account_id)
    return kept if kept and kept.chapters.get(CHAPTER, {}).get(LOSSES) else None


def postmortem_of(context: Context, db: Connection, lost: Reported, request_id: str) -> PostMortemAnswer:
    """The post-mortem of the last loss of an account; it comes first in the report's block."""
    loss = lost.chapters[CHAPTER][LOSSES][0]
    return PostMortemAnswer(
        request_id=request_id,
        external_id=lost.account_id,
        as_of=lost.as_of,
        lost_at=datetime.fromisoformat(loss["at"]),
        yearly_value=loss["value"],
        cause=loss["cause"],
        summary=loss["summary"],
        unanswered=loss["missed"],
        found=[_out(context.causes, one) for one in found(db, lost.account_id)],
        causes=context.causes.titles,
    )


def _lost(asked: Asked, db: Connection) -> Reported:
    lost = lost_in(db, asked.path["account_id"])
    if lost is None:
        raise Problem("not-found", "the newest report tells of no loss of such an account (`keepwell measure --store`)")
    return lost


def _told(asked: Asked, db: Connection, lost: Reported) -> PostMortemAnswer:
    return postmortem_of(asked.context, db, lost, asked.request_id)


def _out(words: Vocabulary, one: Kept) -> CauseFound:
    name = one.item.removeprefix(FOUND)
    return CauseFound(id=one.id, at=one.at, by=one.by, cause=name, title=words.titles.get(name), note=one.note)
