"""Where an account is on its way, as the newest retention report has it."""

from serving.api.answers import Envelope, Moment, Object
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.store import reported

CHAPTER, POSITIONS = "journey", "positions"


class JourneyAnswer(Envelope):
    """An account's rows in the chapter `journey` of the newest report, by block; `GET /v1/retention` tells the columns.

    Everything is as known at `as_of`, the moment of the report and not that of the latest scores: days count from it,
    dates in rows are UTC. `measured_at` is when the report was made. `stage` is null where the account was no customer
    at `as_of`.
    """

    external_id: str
    as_of: Moment
    measured_at: Moment
    stage: str | None
    blocks: dict[str, list[Object]]


def journey(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/journey."""
    with asked.context.store.read() as db:
        found = reported.of(db, asked.path["account_id"])
    blocks = found.chapters.get(CHAPTER) if found else None
    if found is None or blocks is None:
        raise Problem("not-found", "no such account is on its way in the newest report (`keepwell measure --store`)")
    position = next(iter(blocks.get(POSITIONS, [])), None)
    return reply(
        JourneyAnswer(
            request_id=asked.request_id,
            external_id=found.account_id,
            as_of=found.as_of,
            measured_at=found.measured_at,
            stage=position["stage"] if position else None,
            blocks=blocks,
        )
    )
