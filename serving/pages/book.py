"""What a run's book holds: values to filter by, what raises risks, and ranges to try."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, func, select

from serving.store.tables import score_details, scores

Found = TypeVar("Found")

MOST_NAMES = 200
"""Names that a filter offers, the most frequent; any other can be found by search."""
MOST_KEPT = 16
"""Answers about runs that are kept in memory."""
SAMPLED = 2000
"""Accounts from which ranges are taken, spread evenly over the book by value at risk."""


@dataclass(frozen=True)
class Facets:
    """Values of the columns by which the list can be filtered."""

    segment: tuple[str, ...]
    owner: tuple[str, ...]
    driver: tuple[str, ...]


def facets(db: Connection, run_id: int) -> Facets:
    """What occurs in a run, in the order of the alphabet."""
    names = ("segment", "owner", "driver")
    return once(db, ("facets", run_id), lambda: Facets(*(_names(db, run_id, name) for name in names)))


def ranges(db: Connection, run_id: int, names: tuple[str, ...]) -> Mapping[str, tuple[float, float]]:
    """The 1st and 99th percentile of each feature over a run's accounts: where the model has seen enough.

    Args:
        db: of `Store.read`.
        run_id: the run.
        names: of the features, in the order in which the run's model has them.
    """
    return once(db, ("ranges", run_id, names), lambda: _ranges(db, run_id, names))


def once(db: Connection, what: Hashable, make: Callable[[], Found]) -> Found:
    """What is asked of a whole run, made on the first call: a run never changes. Nothing about single accounts."""
    key, held = (str(db.engine.url), what), _kept()
    if key not in held:
        held[key] = make()
        while len(held) > MOST_KEPT:
            held.pop(next(iter(held)), None)
    found: Found = held[key]
    return found


@cache
def _kept() -> dict[Hashable, Any]:
    return {}


def _ranges(db: Connection, run_id: int, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    among = scores.c.run_id == run_id
    count = db.scalar(select(func.count()).where(among)) or 0
    same = (score_details.c.run_id == scores.c.run_id) & (score_details.c.account_id == scores.c.account_id)
    query = select(score_details.c.features).join_from(scores, score_details, same)
    spread = scores.c.risk_rank % max(1, -(-count // SAMPLED)) == 0
    rows = [row for row in db.scalars(query.where(among, spread)) if row and len(row) == len(names)]
    if not rows:
        return {}
    values = np.array(rows, dtype=np.float64)
    known = ~np.isnan(values).all(axis=0)
    low, high = np.nanpercentile(values[:, known], [1, 99], axis=0)
    seen = zip(np.array(names)[known].tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: (least, most) for name, least, most in seen}


def _names(db: Connection, run_id: int, name: str) -> tuple[str, ...]:
    column = scores.c[name]
    query = select(column).where(scores.c.run_id == run_id, column.is_not(None)).group_by(column)
    return tuple(sorted(db.scalars(query.order_by(func.count().desc(), column).limit(MOST_NAMES))))
