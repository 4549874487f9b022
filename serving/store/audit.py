"""The audit log: who did what to which account, when, in which request. Only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from serving.store.records import columns, read, row_of
from serving.store.tables import audit


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One action. `subject` is the account's id where it is about one, `key_id` None for the command line."""

    at: datetime
    action: str
    key_id: str | None = None
    request_id: str | None = None
    subject: str | None = None
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recorded(Entry):
    """An entry in the log; ids rise with time."""

    id: int


def record(db: Connection, entries: Sequence[Entry]) -> None:
    """Add entries to the log; many at once cost hardly more than one."""
    if entries:
        db.execute(insert(audit), [row_of(entry) for entry in entries])


def recent(
    db: Connection, *, subject: str | None = None, before_id: int | None = None, limit: int = 100
) -> list[Recorded]:
    """The newest entries first; `before_id` walks on to older ones."""
    query = select(*columns(Recorded, audit)).order_by(audit.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    return list(read(db, Recorded, query))
