"""Scores on their way into the store, ranked and counted by tier, and out of it again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from serving.store.bulk import Bound, bound, insert_rows
from serving.store.records import columns, read
from serving.store.scores import Score, Scored
from serving.store.tables import run_tiers, score_details, scores

EXPLAINING = ("detail", "change", "features", "baseline")


class Placed(NamedTuple):
    """What an account's place in its book goes by."""

    account_id: str
    tier: str | None
    health_score: float | None
    yearly_value: float | None
    value_at_risk: float | None


@dataclass(frozen=True)
class Ranks:
    """Each account's place in its book, 1 first: by value at risk, and by health."""

    by_risk: Mapping[str, int]
    by_health: Mapping[str, int]


def placed(score: Score) -> Placed:
    """An account's place by its score."""
    return Placed(*(getattr(score, name) for name in Placed._fields))


def ranks(book: Sequence[Placed]) -> Ranks:
    """The places of a whole book's accounts."""
    return Ranks(_ranks(book, _riskiest), _ranks(book, _unhealthiest))


def write_tiers(db: Connection, run_id: int, book: Iterable[Placed]) -> None:
    """Write a run's book by tier."""
    insert_rows(db, run_tiers, [{"run_id": run_id, **row} for row in _by_tier(book)])


def bound_scores(db: Connection, run_id: int, scored: Sequence[Scored], ranks: Ranks) -> Iterator[Bound]:
    """What writes scores of a run with their ranks and details: of the whole book, or a part of it."""
    yield from bound(db, scores, (_flat(run_id, row.score, ranks) for row in scored))
    yield from bound(db, score_details, ({"run_id": run_id, **_details(row)} for row in scored))


def _flat(run_id: int, score: Score, ranks: Ranks) -> dict[str, Any]:
    places = {"risk_rank": ranks.by_risk[score.account_id], "health_rank": ranks.by_health[score.account_id]}
    return {"run_id": run_id, **places, **vars(score)}


def read_scored(db: Connection, run_id: int, account_ids: Sequence[str] | None = None) -> Iterator[Scored]:
    """The scores of a run with their details: of these accounts, or of all."""
    flat = columns(Score, scores)
    query = select(*flat, *(score_details.c[name] for name in EXPLAINING)).join_from(scores, score_details)
    query = query.where(scores.c.run_id == run_id)
    if account_ids is not None:
        query = query.where(scores.c.account_id.in_(account_ids))
    for row in db.execute(query).mappings():
        score = Score(**{column.name: row[column.name] for column in flat})
        yield Scored(score=score, **{name: row[name] for name in EXPLAINING})


def read_scores(db: Connection, run_id: int, account_ids: Sequence[str]) -> Iterator[Score]:
    """The scores of these accounts in a run, without their details."""
    query = select(*columns(Score, scores)).where(scores.c.run_id == run_id, scores.c.account_id.in_(account_ids))
    return read(db, Score, query)


def _ranks(book: Sequence[Placed], key: Any) -> dict[str, int]:
    return {one.account_id: rank for rank, one in enumerate(sorted(book, key=key), start=1)}


def _riskiest(one: Placed) -> tuple[float, float, str]:
    return -_or(one.value_at_risk, -inf), _or(one.health_score, inf), one.account_id


def _unhealthiest(one: Placed) -> tuple[float, float, str]:
    return _or(one.health_score, inf), -_or(one.value_at_risk, -inf), one.account_id


def _or(value: float | None, unknown: float) -> float:
    """The number, or where what is not known belongs; NaN is not known."""
    return unknown if value is None or value != value else value


def _details(row: Scored) -> dict[str, Any]:
    return {"account_id": row.account_id, **{name: getattr(row, name) for name in EXPLAINING}}


def _by_tier(book: Iterable[Placed]) -> list[dict[str, Any]]:
    members = defaultdict(list)
    for one in book:
        members[one.tier].append(one)
    return [
        {
            "tier": tier,
            "accounts": len(among),
            "yearly_value": _sum(one.yearly_value for one in among),
            "value_at_risk": _sum(one.value_at_risk for one in among),
        }
        for tier, among in members.items()
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None
