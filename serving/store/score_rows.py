"""Scores on their way into the store, ranked and counted by tier, and out of it again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import fsum, inf
from typing import Any

from sqlalchemy import Connection, insert, select

from serving.store.records import columns, row_of
from serving.store.scores import Score, Scored
from serving.store.tables import run_tiers, score_details, scores

CHUNK = 1000
"""Rows sent at once."""

EXPLAINING = ("detail", "change", "features", "baseline")


def write_scores(db: Connection, run_id: int, scored: Sequence[Scored]) -> None:
    """Write a run's scores with their ranks (1 is first), their details, and the book by tier."""
    flat = [row.score for row in scored]
    by_risk, by_health = _ranks(flat, _riskiest), _ranks(flat, _unhealthiest)
    for start in range(0, len(scored), CHUNK):
        part = scored[start : start + CHUNK]
        ranked = [
            {"risk_rank": by_risk[row.account_id], "health_rank": by_health[row.account_id], **row_of(row.score)}
            for row in part
        ]
        db.execute(insert(scores), [{"run_id": run_id, **row} for row in ranked])
        db.execute(insert(score_details), [{"run_id": run_id, **_details(row)} for row in part])
    tiers = _by_tier(flat)
    if tiers:
        db.execute(insert(run_tiers), [{"run_id": run_id, **row} for row in tiers])


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


def _ranks(flat: Sequence[Score], key: Any) -> dict[str, int]:
    return {score.account_id: rank for rank, score in enumerate(sorted(flat, key=key), start=1)}


def _riskiest(score: Score) -> tuple[float, float, str]:
    return -_or(score.value_at_risk, -inf), _or(score.health_score, inf), score.account_id


def _unhealthiest(score: Score) -> tuple[float, float, str]:
    return _or(score.health_score, inf), -_or(score.value_at_risk, -inf), score.account_id


def _or(value: float | None, unknown: float) -> float:
    """The number, or where what is not known belongs; NaN is not known."""
    return unknown if value is None or value != value else value


def _details(row: Scored) -> dict[str, Any]:
    return {"account_id": row.account_id, **{name: getattr(row, name) for name in EXPLAINING}}


def _by_tier(flat: Sequence[Score]) -> list[dict[str, Any]]:
    members = defaultdict(list)
    for score in flat:
        members[score.tier].append(score)
    return [
        {
            "tier": tier,
            "accounts": len(among),
            "yearly_value": _sum(score.yearly_value for score in among),
            "value_at_risk": _sum(score.value_at_risk for score in among),
        }
        for tier, among in members.items()
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None
