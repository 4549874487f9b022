"""Accounts as the latest run scored them: one, a filtered page of many, one over time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from serving.errors import ServingError
from serving.store.records import columns
from serving.store.runs import last_written, latest
from serving.store.score_rows import read_scored
from serving.store.scores import Score, Scored
from serving.store.tables import runs, scores

Sort = Literal["value_at_risk", "health"]
RANKS = {"value_at_risk": "risk_rank", "health": "health_rank"}
EQUAL = ("tier", "segment", "owner", "driver", "risk_level")
SEARCHED = ("account_id", "name", "owner")
WHEN = ("as_of", "scored_at", "model_version")
MOST = 200
"""Accounts on a page, at most."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which accounts to list; None leaves a column out of it. Renewal lies in [renews_from, renews_before).

    `disagrees`: those whose health and probability disagree, or those whose do not. `search` is text to be found in id,
    name or owner, whatever the case.
    """

    tier: str | None = None
    segment: str | None = None
    owner: str | None = None
    driver: str | None = None
    risk_level: str | None = None
    renews_from: datetime | None = None
    renews_before: datetime | None = None
    disagrees: bool | None = None
    search: str | None = None


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Page:
    """Accounts of one run, and the cursor of the next page (None: this is the last)."""

    run_id: int
    accounts: list[Score]
    cursor: str | None


@dataclass(frozen=True)
class Past:
    """One account's score at one earlier moment."""

    as_of: datetime
    scored_at: datetime
    model_version: str
    score: Score


def page(
    db: Connection,
    filters: Filters = NO_FILTERS,
    *,
    sort: Sort = "value_at_risk",
    limit: int = 50,
    cursor: str | None = None,
) -> Page | None:
    """A page of the latest run's accounts; None in an empty store.

    The order is total (most value at risk first, or least health first; then the other; then the id; unknown last),
    and a cursor stays on its run: walking on gives every account once, whatever is scored meanwhile.

    Raises:
        ServingError: the cursor is none of ours, or belongs to another sort or a run that is gone.
    """
    run_id, after = _started(db, cursor, sort)
    if run_id is None:
        return None
    rank = scores.c[RANKS[sort]]
    query = select(*columns(Score, scores), rank.label("rank")).where(scores.c.run_id == run_id, rank > after)
    rows = db.execute(query.where(*_conditions(filters)).order_by(rank).limit(min(limit, MOST) + 1)).mappings().all()
    shown = rows[: min(limit, MOST)]
    more = _cursor(run_id, sort, shown[-1]["rank"]) if len(rows) > len(shown) else None
    return Page(run_id, [_score(row) for row in shown], more)


def count(db: Connection, filters: Filters = NO_FILTERS) -> int:
    """How many accounts of the latest run pass the filters; 0 in an empty store."""
    run = latest(db)
    query = select(func.count()).where(scores.c.run_id == (run.id if run else None), *_conditions(filters))
    return db.scalar(query) or 0


def account(db: Connection, account_id: str) -> Scored | None:
    """An account as the latest run scored it; None where it was not in that run."""
    return many(db, [account_id]).get(account_id)


def many(db: Connection, account_ids: list[str]) -> dict[str, Scored]:
    """Those of the accounts that the latest run scored, by id."""
    run = latest(db)
    return {row.account_id: row for row in read_scored(db, run.id, account_ids)} if run else {}


def history(db: Connection, account_id: str, *, since: datetime | None = None) -> list[Past]:
    """An account's scores with as_of in [since, now], oldest first, of shown runs; of one as_of the last written."""
    query = select(*columns(Score, scores), *(runs.c[name] for name in WHEN)).join_from(scores, runs)
    query = query.where(scores.c.account_id == account_id, runs.c.id.in_(last_written())).order_by(runs.c.as_of)
    rows = db.execute(query if since is None else query.where(runs.c.as_of >= since)).mappings()
    return [Past(**{name: row[name] for name in WHEN}, score=_score(row)) for row in rows]


def yearly_values(db: Connection, run_id: int) -> list[float]:
    """The known yearly values of a run's accounts, smallest first."""
    query = select(scores.c.yearly_value).where(scores.c.run_id == run_id, scores.c.yearly_value.is_not(None))
    return sorted(db.scalars(query))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    equal = [scores.c[name] == value for name in EQUAL if (value := getattr(filters, name)) is not None]
    if filters.renews_from is not None:
        equal.append(scores.c.renewal_at >= filters.renews_from)
    if filters.renews_before is not None:
        equal.append(scores.c.renewal_at < filters.renews_before)
    if filters.disagrees is not None:
        equal.append(scores.c.disagrees.is_not(None) if filters.disagrees else scores.c.disagrees.is_(None))
    if filters.search:
        found = [scores.c[name].icontains(filters.search, autoescape=True) for name in SEARCHED]
        equal.append(or_(*found))
    return equal


def _started(db: Connection, cursor: str | None, sort: Sort) -> tuple[int | None, int]:
    """The run to list and the rank after which to go on."""
    if cursor is None:
        run = latest(db)
        return (run.id if run else None), 0
    run_id, sorted_by, rank = _read(cursor)
    if sorted_by != sort:
        raise ServingError(f"cursor: it belongs to a list sorted by {sorted_by}; use the same sort or start again")
    if db.scalar(select(runs.c.id).where(runs.c.id == run_id)) is None:
        raise ServingError("cursor: its run is gone; start again without a cursor")
    return run_id, rank


def _cursor(run_id: int, sort: Sort, rank: int) -> str:
    return urlsafe_b64encode(f"{run_id}.{sort}.{rank}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[int, str, int]:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        run_id, sort, rank = text.split(".")
        return int(run_id), sort, int(rank)
    except ValueError as error:
        raise ServingError("cursor: it is none of ours; start again without a cursor") from error


def _score(row: RowMapping) -> Score:
    return Score(**{f.name: row[f.name] for f in fields(Score)})
