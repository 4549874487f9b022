"""Reports that were measured once and are read often, kept with the moment they speak of."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Any

from sqlalchemy import Connection, select

from serving.store.columns import plain
from serving.store.records import columns, first, insert_if_absent, read
from serving.store.tables import reports

RETENTION = "retention"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A report in the store; `body` is JSON as its maker wrote it."""

    id: int
    kind: str
    as_of: datetime
    created_at: datetime
    body: dict[str, Any]


def keep(db: Connection, kind: str, body: dict[str, Any], *, as_of: datetime, at: datetime) -> bool:
    """Keep a report; whether it is new (the same of the same moment is kept once)."""
    body = plain(body)
    digest = sha256(dumps(body, sort_keys=True).encode()).hexdigest()
    row = {"kind": kind, "as_of": as_of, "created_at": at, "digest": digest, "body": body}
    return insert_if_absent(db, reports, row)


def newest(db: Connection, kind: str) -> Kept | None:
    """The report of the latest moment (the last made of several); None where there is none."""
    query = select(*columns(Kept, reports)).where(reports.c.kind == kind)
    return first(db, Kept, query.order_by(reports.c.as_of.desc(), reports.c.id.desc()))


def moments(db: Connection, kind: str) -> list[datetime]:
    """The moments of which there are reports, oldest first."""
    query = select(reports.c.as_of).where(reports.c.kind == kind).distinct().order_by(reports.c.as_of)
    return list(db.execute(query).scalars())


def of(db: Connection, kind: str, as_of: datetime) -> Kept | None:
    """The report of one moment, the last made of several."""
    query = select(*columns(Kept, reports)).where(reports.c.kind == kind, reports.c.as_of == as_of)
    return next(read(db, Kept, query.order_by(reports.c.id.desc()).limit(1)), None)
