"""Items that people tick for an account; the newest word on an item counts, older ones stay."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from serving.store import audit
from serving.store.audit import Entry
from serving.store.records import columns, first, read, row_of
from serving.store.tables import checks


@dataclass(frozen=True, kw_only=True)
class Check:
    """A tick to keep; `item` is PHASE.ITEM of a checklist, or what a post-mortem found. Not done: taken back.

    `at` is when it was done: a report as of t reads what was ticked by t, (-infinity, t].
    """

    account_id: str
    item: str
    at: datetime
    by: str
    is_done: bool = True
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Kept(Check):
    """A tick in the store."""

    id: int


def tick(
    db: Connection, check: Check, *, now: datetime, key_id: str | None = None, request_id: str | None = None
) -> bool:
    """Keep a tick with its line in the audit log; whether it is news (`now` is when it is written down).

    Taking back what is not ticked writes nothing; ticking again does, so that its day is told.
    """
    last = newest(db, check.account_id, check.item, at=check.at)
    if not check.is_done and not (last and last.is_done):
        return False
    db.execute(insert(checks).values(row_of(check)))
    detail = {"item": check.item, "by": check.by}
    action = "tick" if check.is_done else "untick"
    caller = {"key_id": key_id, "request_id": request_id}
    audit.record(db, [Entry(at=now, action=action, subject=check.account_id, detail=detail, **caller)])
    return True


def newest(db: Connection, account_id: str, item: str, *, at: datetime) -> Kept | None:
    """The last word on an item by a moment; None where nobody said one."""
    query = select(*columns(Kept, checks)).where(checks.c.account_id == account_id, checks.c.item == item)
    return first(db, Kept, query.where(checks.c.at <= at).order_by(checks.c.at.desc(), checks.c.id.desc()))


def history(db: Connection, account_id: str) -> list[Kept]:
    """Everything that was ticked and taken back for an account, newest first."""
    query = select(*columns(Kept, checks)).where(checks.c.account_id == account_id)
    return list(read(db, Kept, query.order_by(checks.c.at.desc(), checks.c.id.desc())))
