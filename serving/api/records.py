"""Decision records over HTTP: read them, and write down what a review found."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from sqlalchemy import Connection

from retention.errors import RetentionError
from retention.records.life import OUTCOMES, Event, State
from serving import recording
from serving.api.answers import Answer, Moment, Object
from serving.api.asks import Ask, Query
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.recording import Actor, Shown
from serving.store import kept_records
from serving.store.kept_records import Version

OUTCOME_OF_KIND: JsonDict = {
    "oneOf": [
        {"properties": {"kind": {"const": kind}, "outcome": {"enum": list(found)}}} for kind, found in OUTCOMES.items()
    ]
}
"""What the check below says, as JSON Schema."""


Note = Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
"""Words that say something."""


class ListRecords(Query):
    """Which records."""

    state: State | None = None


class Review(Ask):
    """What a review found: an outcome of its kind, and what was looked at.

    initial: confirmed or corrected; operating: holds or drifts; post: continue, adapt or stop.
    """

    model_config = ConfigDict(json_schema_extra=OUTCOME_OF_KIND)

    kind: Literal["initial", "operating", "post"]
    outcome: Literal["confirmed", "corrected", "holds", "drifts", "continue", "adapt", "stop"]
    note: Note

    @model_validator(mode="after")
    def _outcome_is_of_kind(self) -> Self:
        if self.outcome not in OUTCOMES[self.kind]:
            raise ValueError(f"a review of this kind finds one of {', '.join(OUTCOMES[self.kind])}")
        return self


class RecordLine(Answer):
    """A record in a list, as its newest version stands; `selected` is the option chosen."""

    id: str
    title: str
    state: State
    version: int
    changed_at: Moment
    owner: str
    question: str
    selected: str
    reversal_signals: list[str]


class Records(Answer):
    """Decision records, the last changed first."""

    request_id: str
    records: list[RecordLine]


class FindingOut(Answer):
    """Something to mend in a record."""

    kind: str
    text: str


class VersionOut(Answer):
    """A version of a record: what happened at it, and the digest that binds it to the one before."""

    version: int
    at: Moment
    by: str
    event: Event
    state: State
    happened: Object
    digest: str


class RecordAnswer(Answer):
    """A whole record.

    `document` is what people wrote, `locked` metrics by digest with their baseline, `decided` what was computed from
    them, `schedule` the reviews, `findings` what is to be mended by now, `history` every version, oldest first.
    """

    request_id: str
    id: str
    state: State
    version: int
    document: Object
    locked: Object
    decided: Object
    schedule: list[Object]
    findings: list[FindingOut] = Field(default_factory=list)
    history: list[VersionOut]


def list_records(asked: Asked) -> Reply:
    """GET /v1/records."""
    with asked.context.store.read() as db:
        found = kept_records.newest(db)
    chosen = [one for one in found if asked.query.state in (None, one.state)]
    return reply(Records(request_id=asked.request_id, records=[line(one) for one in chosen]))


def one_record(asked: Asked) -> Reply:
    """GET /v1/records/{id}."""
    with asked.context.store.read() as db:
        return _told(asked, shown(db, asked))


def review_record(asked: Asked, db: Connection) -> Reply:
    """POST /v1/records/{id}/reviews: kept together with its line in the audit log."""
    ask: Review = asked.body
    shown(db, asked)
    key = asked.caller.key
    actor = Actor(by=key.name, at=asked.context.clock(), key_id=key.id, request_id=asked.request_id)
    try:
        recording.review(db, asked.path["record_id"], ask.kind, ask.outcome, ask.note, actor)
    except RetentionError as error:
        raise Problem("not-open", str(error)) from None
    return _told(asked, shown(db, asked), 201)


def shown(db: Connection, asked: Asked) -> Shown:
    """The record that is asked for.

    Raises:
        Problem: 404, there is none of that id.
    """
    id_ = asked.path["record_id"]
    if not kept_records.versions(db, id_):
        raise Problem("not-found", "there is no such record")
    return recording.show(db, id_, asked.context.clock())


def line(one: Version) -> RecordLine:
    """A record in a list."""
    given = one.body["document"]
    return RecordLine(
        id=one.id,
        title=given["title"],
        state=one.state,
        version=one.version,
        changed_at=one.at,
        owner=given["frame"]["owner"],
        question=given["frame"]["question"],
        selected=given["commit"]["selected"],
        reversal_signals=given["commit"]["reversal_signals"],
    )


def _told(asked: Asked, found: Shown, status: int = 200) -> Reply:
    told = found.as_json()
    kept = {name: told[name] for name in ("id", "state", "version", "document", "locked", "decided", "schedule")}
    answer = RecordAnswer(
        request_id=asked.request_id,
        findings=[FindingOut(**one) for one in told["findings"]],
        history=[VersionOut(**{name: one[name] for name in VersionOut.model_fields}) for one in told["history"]],
        **kept,
    )
    return reply(answer, status)
