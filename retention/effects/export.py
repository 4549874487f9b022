"""Cases to learn from, without a name: what was seen, what was done, what became of it (systems K3)."""

from collections import Counter
from typing import Any

from retention.inputs import Inputs

QUASI = ("quarter", "segment", "driver", "play")
OTHER = "other"


def shared_cases(inputs: Inputs) -> tuple[list[dict[str, Any]], int]:
    """Closed cases that may be shown to everybody, and how many had to be left out.

    No account, no owner, no date and no amount: a case has its quarter, segment, driver, play, tier and risk level
    before, whether others were played beside it, the third of the cases that its value lies in, and whether the
    account was saved. Of every combination of quarter, segment, driver and play there are at least `fewest` cases
    (k-anonymity: Sweeney 2002): rarer ones lose the segment, then the quarter, then are left out.
    """
    rows = inputs.engine.query(
        """SELECT CONCAT(YEAR(begun_at), '-Q', QUARTER(begun_at)) AS quarter, segment, driver, play, tier, risk_level,
                  is_treated, kinds > 1 AS had_others,
                  CASE NTILE(3) OVER (ORDER BY yearly_cents) WHEN 1 THEN 'low' WHEN 2 THEN 'middle' ELSE 'high' END
                      AS worth,
                  is_saved
           FROM play_cases WHERE is_closed"""
    ).to_pylist()
    fewest = inputs.house.programme.fewest
    for blunted in ("segment", "quarter"):
        rare = _rare(rows, fewest)
        rows = [row | {blunted: OTHER} if _key(row) in rare else row for row in rows]
    rare = _rare(rows, fewest)
    kept = [row for row in rows if _key(row) not in rare]
    return sorted(kept, key=lambda row: tuple(str(value) for value in row.values())), len(rows) - len(kept)


def _rare(rows: list[dict[str, Any]], fewest: int) -> set[tuple[Any, ...]]:
    return {key for key, n in Counter(map(_key, rows)).items() if n < fewest}


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in QUASI)
