"""Decision records, every version of them: a version is only ever added, never changed."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Any

from sqlalchemy import Connection, func, insert, select

from retention.records.life import Event, State, Step
from serving.errors import ServingError
from serving.store.columns import plain
from serving.store.records import columns, read, row_of
from serving.store.tables import records


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a record. `digest` is the SHA-256 of body and of the digest before it, so that a gap shows."""

    id: str
    version: int
    at: datetime
    by: str
    event: Event
    state: State
    body: dict[str, Any]
    digest: str


def add(db: Connection, id_: str, step: Step, *, at: datetime, by: str) -> Version:
    """Add a record's next version.

    Args:
        db: of `Store.write`.
        id_: of the record.
        step: what happened to it.
        at: when.
        by: who: an API key's id, or a name given on the command line.

    Raises:
        ServingError: a first version of a record that is there already.
    """
    past = versions(db, id_)
    if past and step.event == "created":
        raise ServingError(f"there is a record {id_} already; give another id, or revise it")
    body = plain(step.body)
    before = past[-1].digest if past else ""
    digest = sha256((before + dumps(body, sort_keys=True)).encode()).hexdigest()
    new = Version(
        id=id_, version=len(past) + 1, at=at, by=by, event=step.event, state=step.state, body=body, digest=digest
    )
    db.execute(insert(records).values(row_of(new)))
    return new


def versions(db: Connection, id_: str) -> list[Version]:
    """All versions of a record, oldest first; none where there is no such record."""
    query = select(*columns(Version, records)).where(records.c.id == id_)
    return list(read(db, Version, query.order_by(records.c.version)))


def known(db: Connection, id_: str) -> list[Version]:
    """All versions of a record, oldest first.

    Raises:
        ServingError: there is no such record.
    """
    found = versions(db, id_)
    if not found:
        raise ServingError(f"there is no record {id_}; `keepwell record list` shows them")
    return found


def newest(db: Connection) -> list[Version]:
    """The newest version of every record, the last changed first."""
    last = select(records.c.id, func.max(records.c.version).label("version")).group_by(records.c.id).subquery()
    same = (records.c.id == last.c.id) & (records.c.version == last.c.version)
    query = select(*columns(Version, records)).join(last, same)
    return list(read(db, Version, query.order_by(records.c.at.desc(), records.c.id)))
