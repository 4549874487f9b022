"""What a feature is, and the few SQL aggregates that features are made of.

A scan hands out one row per (account, snapshot, known raw row) with its `age` in days: 1 is the day before
the snapshot, so a window of w days is `age <= w` and covers [snapshot - w days, snapshot); or, where rows are
many, one row per (account, snapshot) that has windows already. A feature is an aggregate over one scan, arithmetic
over such a row, or (scan `derived`) arithmetic over other features. The text is plain SQL that DuckDB and Spark read
alike: no FILTER, no window functions over events, divisions guarded by NULLIF.
"""

import re
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

DERIVED = "derived"


class Direction(StrEnum):
    """What more of a feature means for the account; a model must not learn the opposite."""

    SAFER = "safer"
    RISKIER = "riskier"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Feature:
    """One number known about an account at a snapshot.

    `signal` names what it is a reading of: features of one signal are told as one reason. `days` is the
    window [snapshot - days, snapshot), None where it looks at all that was known. `needs` lists the mapped
    columns without which it does not exist. `empty` is its value when the scan has no row for the account:
    0 for counts, None (unknown) for the rest. `categories` names the levels of a categorical feature, whose
    value is the level's position.
    """

    name: str
    signal: str
    definition: str
    unit: str
    sql: str
    more_is: Direction = Direction.UNKNOWN
    days: int | None = None
    _: KW_ONLY
    component: str
    scan: str
    empty: float | None = None
    needs: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def total(amount: str, days: int, after: int = 0, where: str = "") -> str:
    """Sum of an amount over rows aged (after, days] days that satisfy `where`; unknown amounts add nothing."""
    condition = _window(days, after) + (f" AND {where}" if where else "")
    return f"COALESCE(SUM(CASE WHEN {condition} THEN {amount} ELSE 0 END), 0)"


def count(days: int, after: int = 0, where: str = "") -> str:
    """Number of rows aged (after, days] days that satisfy `where`."""
    return total("1", days, after, where)


def mean(amount: str, days: int, where: str = "TRUE") -> str:
    """Mean of an amount over rows aged at most `days` that have one; null without such rows."""
    known = f"{amount} IS NOT NULL AND {where}"
    return ratio(total(amount, days, where=known), count(days, where=known))


def recency(where: str = "") -> str:
    """Days since the newest row that satisfies `where`; null without one."""
    return f"MIN(CASE WHEN {where} THEN age END)" if where else "MIN(age)"


def newest(amount: str, kind: str, nth: int = 1) -> str:
    """The amount of the nth newest row of a kind, by the scan's column `recent` (1 is the newest)."""
    return f"MAX(CASE WHEN {kind} AND recent = {nth} THEN {amount} END)"


def any_row(where: str) -> str:
    """1 where any row satisfies `where`, else 0."""
    return f"MAX(CASE WHEN {where} THEN 1 ELSE 0 END)"


def ratio(part: str, whole: str) -> str:
    """The quotient part / whole in double precision; null where whole is zero."""
    return f"(CAST({part} AS DOUBLE) / NULLIF(CAST({whole} AS DOUBLE), 0e0))"


def share(part: str, rest: str) -> str:
    """The bounded trend part / (part + rest): 0.5 when both are equal, null when both are zero."""
    return ratio(part, f"({part} + {rest})")


def text_literal(text: str) -> str:
    """Text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def slug(text: str, taken: set[str]) -> str:
    """A company's own word as part of a feature name: lower case, unique among those `taken`."""
    base = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40] or "unnamed"
    name, again = base, 2
    while name in taken:
        name, again = f"{base}_{again}", again + 1
    taken.add(name)
    return name


def _window(days: int, after: int) -> str:
    return f"age <= {days}" if after == 0 else f"age > {after} AND age <= {days}"
