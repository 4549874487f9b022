"""Retention's stored blocks as a page shows them: cells with their interval, charts, and the whole block as CSV."""

from dataclasses import dataclass
from typing import Any

from serving.pages import words
from serving.pages.words import UNKNOWN

MOST_ROWS = 25
"""Rows of a block on the page; the CSV file has all."""
LEFT = ("text", "month", "day", "flag")
DIGITS = {"count": 0, "money": 0, "days": 0, "hours": 0, "points": 1, "number": 2}
SENSE = {"high": "", "medium": "medium confidence", "low": "low confidence", "none": ""}


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: text, the interval and n under it, and the plain value for charts and machines."""

    text: str
    under: str
    value: Any
    low: float | None = None
    high: float | None = None
    account: str | None = None


@dataclass(frozen=True)
class Shown:
    """A block ready for the page; `more` rows are left to the CSV file."""

    id: str
    title: str
    says: str
    columns: list[dict[str, Any]]
    rows: list[list[Cell]]
    more: int
    notes: list[str]
    chart: dict[str, Any] | None


def shown(block: dict[str, Any]) -> Shown:
    """A stored block; one with a chart shows all of its rows, for the chart is drawn from them."""
    rows = block["rows"] if block["chart"] else block["rows"][:MOST_ROWS]
    columns = block["columns"]
    return Shown(
        id=block["id"],
        title=block["title"],
        says=block["says"],
        columns=[column | {"is_number": i > 0 and column["unit"] not in LEFT} for i, column in enumerate(columns)],
        rows=[[_cell(column, row[column["name"]], block["account"]) for column in columns] for row in rows],
        more=len(block["rows"]) - len(rows),
        notes=list(block["notes"]),
        chart=_chart(block),
    )


def flat(block: dict[str, Any]) -> list[list[Any]]:
    """A stored block as lines of a table, heads first; a figure becomes value, low, high and n."""
    parts = ("value", "low", "high", "n")
    heads = [
        name
        for column in block["columns"]
        for name in ([f"{column['name']}_{part}" for part in parts] if column["has_interval"] else [column["name"]])
    ]
    lines = [heads]
    for row in block["rows"]:
        line: list[Any] = []
        for column in block["columns"]:
            held = row[column["name"]]
            line += [(held or {}).get(part) for part in parts] if column["has_interval"] else [held]
        lines.append(line)
    return lines


def said(unit: str, value: Any) -> str:
    """A value in words.

    >>> said("share", 0.123), said("money", 1234.5), said("month", "2025-03-01"), said("flag", True)
    ('12.3 %', '1,234', 'Mar 2025', 'yes')
    """
    if value is None:
        return UNKNOWN
    if unit == "share":
        return words.percent(value)
    if unit == "month":
        return words.day(value).split(" ", 1)[1]
    if unit == "day":
        return words.day(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.number(value, DIGITS.get(unit, 1)) if isinstance(value, int | float) else str(value)


def _cell(column: dict[str, Any], held: Any, account: str | None) -> Cell:
    unit = column["unit"]
    if not isinstance(held, dict):
        return Cell(said(unit, held), "", held, account=held if column["name"] == account else None)
    parts = []
    if held["low"] is not None and held["high"] is not None:
        parts.append(f"{said(unit, held['low'])} to {said(unit, held['high'])}")
    if held["n"] is not None:
        parts.append(f"n {held['n']:,}")
    if SENSE[held["confidence"]]:
        parts.append(SENSE[held["confidence"]])
    return Cell(said(unit, held["value"]), " · ".join(parts), held["value"], held["low"], held["high"])


def _chart(block: dict[str, Any]) -> dict[str, Any] | None:
    chart = block["chart"]
    if chart is None or len(block["rows"]) < 2:
        return None
    names = [column["name"] for column in block["columns"]]
    unit = block["columns"][names.index(chart["ys"][0])]["unit"]
    places = {"x": names.index(chart["x"]), "ys": [names.index(y) for y in chart["ys"]]}
    return {"kind": chart["kind"], "unit": unit, "by": names.index(chart["by"]) if chart["by"] else None, **places}
