"""What changed since a week ago: accounts in another tier, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from serving.pages.book import once
from serving.store.records import read
from serving.store.runs import Run
from serving.store.tables import score_details, scores

WEEK = timedelta(days=7)
SAME = 0.05
"""Points of health; less is not told."""
LISTED = 100
"""Accounts that are told of; the counts are of all."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """An account in another tier than in a past run; None where it has no score on one side.

    `change` is what the run stored of its move since the run before it.
    """

    account_id: str
    name: str | None
    tier_before: str | None
    tier: str | None
    health_before: float | None
    health: float | None
    change: dict[str, Any] | None
    top_driver_1: str | None
    top_driver_2: str | None

    @property
    def points(self) -> float | None:
        """How far health moved."""
        return None if self.health is None or self.health_before is None else self.health - self.health_before

    @property
    def explained(self) -> dict[str, Any]:
        """The stored change, if it is of this move: where another run lies between the two it is of a part of it."""
        points, stored = self.points, self.change or {}
        is_it = points is not None and abs(stored.get("points", inf) - points) <= SAME
        return stored if is_it else {}

    @property
    def why(self) -> tuple[str, ...]:
        """The signals that moved it, in words, the strongest first; else what raises the risk most today."""
        movers = tuple(mover["text"] for mover in self.explained.get("movers") or ())
        return movers or tuple(text for text in (self.top_driver_1, self.top_driver_2) if text)

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """Points of the move that are no inputs."""
        held = [(name, self.explained.get(name) or 0.0) for name in ("weights", "model", "staleness")]
        return tuple(part for part in held if abs(part[1]) >= SAME)


@dataclass(frozen=True)
class Moves:
    """How many accounts fell to a lower tier, rose to a higher one, came and went; and the ones to tell of."""

    fell: int
    rose: int
    came: int
    went: int
    told: tuple[Moved, ...]


def a_week_before(past: Sequence[Run], run: Run) -> Run | None:
    """The last run a week or more before a run; where all are younger, the oldest of them; None without one."""
    earlier = [one for one in past if one.as_of < run.as_of]
    old = [one for one in earlier if one.as_of <= run.as_of - WEEK]
    return old[-1] if old else next(iter(earlier), None)


def moves(db: Connection, run: Run, past: Run) -> Moves:
    """Accounts in another tier than in a past run: those that fell first, then the others, most value at risk first."""
    fell, rose, both = once(db, ("moves", run.id, past.id), lambda: _counts(db, run, past))
    told = [moved for is_down in (True, False) for moved in read(db, Moved, _moved(run, past, is_down))]
    return Moves(fell, rose, run.accounts - both, past.accounts - both, tuple(told[:LISTED]))


NEW, OLD = scores.alias("new"), scores.alias("old")
FELL = NEW.c.health_score < OLD.c.health_score
OTHER = NEW.c.tier.is_distinct_from(OLD.c.tier)


def _counts(db: Connection, run: Run, past: Run) -> tuple[int, int, int]:
    """Accounts that fell and rose, and accounts in both runs."""
    fell, rose = (func.sum(case((OTHER & way, 1), else_=0)) for way in (FELL, NEW.c.health_score > OLD.c.health_score))
    asked: Any = select(fell, rose, func.count())
    down, up, both = db.execute(_of_both(asked, run, past)).one()
    return down or 0, up or 0, both


def _moved(run: Run, past: Run, is_down: bool) -> Select[Any]:
    why = (score_details.c.account_id == NEW.c.account_id) & (score_details.c.run_id == run.id)
    query = select(
        *NEW.c["account_id", "name", "tier", "top_driver_1", "top_driver_2"],
        NEW.c.health_score.label("health"),
        OLD.c.health_score.label("health_before"),
        OLD.c.tier.label("tier_before"),
        score_details.c.change,
    )
    found = _of_both(query, run, past).join(score_details, why, isouter=True)
    return found.where(OTHER, func.coalesce(FELL, False).is_(is_down)).order_by(NEW.c.risk_rank).limit(LISTED)


def _of_both(query: Select[Any], run: Run, past: Run) -> Select[Any]:
    same = (OLD.c.account_id == NEW.c.account_id) & (OLD.c.run_id == past.id)
    return query.select_from(NEW).join(OLD, same).where(NEW.c.run_id == run.id)
