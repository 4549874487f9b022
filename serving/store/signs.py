"""Warning signs: what a rule saw on an account, the response it calls for, and until when."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from serving.store.bulk import AT_ONCE, Bound, bound, execute
from serving.store.records import columns, read, row_of
from serving.store.tables import signs


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A warning sign to raise. `rule` is its id in the policy (W1-W17), `response` the play, owner and deadline."""

    account_id: str
    rule: str
    at: datetime
    severity: str
    text: str
    response: dict[str, Any]
    due_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Raised(Sign):
    """A warning sign in the store; open while `closed_at` is None."""

    id: int
    closed_at: datetime | None
    closed_by: str | None


def raise_all(db: Connection, raised: Iterable[Sign]) -> int:
    """Raise warning signs; how many are new (one of the same account, rule and moment is raised once)."""
    return sum(execute(db, one) for one in bound_signs(db, raised))


def bound_signs(db: Connection, raised: Iterable[Sign]) -> Iterator[Bound]:
    """What raises warning signs."""
    return bound(db, signs, map(row_of, raised), once=True)


def of_account(db: Connection, account_id: str, *, since: datetime | None = None) -> list[Raised]:
    """An account's warning signs with `at` in [since, now], oldest first."""
    query = _every().where(signs.c.account_id == account_id).order_by(signs.c.at, signs.c.id)
    return list(read(db, Raised, query if since is None else query.where(signs.c.at >= since)))


def list_open(db: Connection) -> list[Raised]:
    """All open warning signs, the earliest due first, those without a deadline last."""
    query = _every().where(signs.c.closed_at.is_(None)).order_by(signs.c.due_at.is_(None), signs.c.due_at, signs.c.id)
    return list(read(db, Raised, query))


def open_ids(db: Connection) -> dict[tuple[str, str], int]:
    """The id of each open warning sign by (account, rule)."""
    query = select(signs.c.account_id, signs.c.rule, signs.c.id).where(signs.c.closed_at.is_(None))
    return {(account_id, rule): number for account_id, rule, number in db.execute(query)}


def last_raised(db: Connection) -> dict[tuple[str, str], datetime]:
    """When each (account, rule) was last raised, for cool-downs."""
    query = select(signs.c.account_id, signs.c.rule, func.max(signs.c.at)).group_by(signs.c.account_id, signs.c.rule)
    return {(account_id, rule): at for account_id, rule, at in db.execute(query)}


def close(db: Connection, sign_id: int, *, at: datetime, by: str) -> bool:
    """Close an open warning sign; False where it is not there or was closed before."""
    open_one = (signs.c.id == sign_id) & signs.c.closed_at.is_(None)
    return db.execute(update(signs).where(open_one).values(closed_at=at, closed_by=by)).rowcount == 1


def close_all(db: Connection, sign_ids: Sequence[int], *, at: datetime, by: str) -> None:
    """Close those of the signs that are open."""
    for start in range(0, len(sign_ids), AT_ONCE):
        these = signs.c.id.in_(sign_ids[start : start + AT_ONCE]), signs.c.closed_at.is_(None)
        db.execute(update(signs).where(*these).values(closed_at=at, closed_by=by))


def _every() -> Select[Any]:
    return select(*columns(Raised, signs))
