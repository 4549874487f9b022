"""Retention's blocks in the terminal."""

from collections.abc import Set
from datetime import date, datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from retention.blocks import Block, Chapter, Column, Report, Unit, Value
from retention.figures import Figure
from training.report.layout import bullets, section, table
from training.report.words import UNKNOWN, number, percent

MOST_ROWS = 20
LEFT = ("text", "month", "day", "flag")


def report(found: Report, *, every_row: bool = False) -> RenderableType:
    """All chapters; of long blocks the first rows, unless `every_row`."""
    return Group(*(part for chapter in found.chapters for part in _chapter(chapter, every_row)))


def blocks(found: Chapter, *, every_row: bool = True) -> RenderableType:
    """One chapter."""
    return Group(*_chapter(found, every_row))


def _chapter(chapter: Chapter, every_row: bool) -> list[RenderableType]:
    told = [part for block in chapter.blocks for part in _block(block, every_row)]
    if chapter.not_measured:
        told += section("Not measured", bullets(chapter.not_measured))
    return [Text(f"\n{chapter.title.upper()}", style="bold"), *told]


def _block(block: Block, every_row: bool) -> list[RenderableType]:
    made = table(*(c.title + ("" if c.unit in LEFT else ">") for c in block.columns))
    shown = block.rows if every_row else _shortened(block)
    for row in shown:
        counts = {value for column, value in zip(block.columns, row, strict=True) if column.unit == "count"}
        made.add_row(*(cell(column, value, counts) for column, value in zip(block.columns, row, strict=True)))
    more = len(block.rows) - len(shown)
    rest = [Text(f"… and {more:,} {'before' if _runs_on(block) else 'more'}", style="dim")] if more else []
    notes = [bullets(block.notes)] if block.notes else []
    return section(block.title, Text(block.says, style="dim"), made, *rest, *notes)


def _shortened(block: Block) -> tuple[tuple[Value, ...], ...]:
    """The first rows; of rows in the order of time the newest."""
    return block.rows[-MOST_ROWS:] if _runs_on(block) else block.rows[:MOST_ROWS]


def _runs_on(block: Block) -> bool:
    """Whether the rows run on in time: the first column is one, and rises."""
    first = [row[0] for row in block.rows]
    if block.columns[0].unit not in ("month", "day") or not all(isinstance(value, date) for value in first):
        return False
    moments = [str(value) for value in first]
    return moments == sorted(moments) and moments[0] < moments[-1]


def cell(column: Column, value: Value, counts: Set[Value] = frozenset()) -> str:
    """A value with its interval; n where none of the row's counts is it."""
    if not isinstance(value, Figure):
        return escape(_shown(column.unit, value))
    told = _shown(column.unit, value.value)
    if value.value is None:
        return told
    n = "" if value.n is None or value.n in counts else f"n {value.n:,}"
    if value.low is None or value.high is None:
        return f"{told} [dim]({n})[/dim]" if n else told
    low, high = (_shown(column.unit, bound).removesuffix(" %") for bound in (value.low, value.high))
    between = f"{low} to {high}" if value.low < 0 else f"{low}-{high}"
    return f"{told} [dim]({'; '.join(part for part in (between, n) if part)})[/dim]"


def _shown(unit: Unit, value: Value) -> str:
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case datetime() | date():
            return f"{value:%Y-%m}" if unit == "month" else f"{value:%Y-%m-%d}"
        case str():
            return value
        case int() | float():
            return _number(unit, value)
    raise TypeError(f"a cell holds {type(value).__name__}")


def _number(unit: Unit, value: float) -> str:
    if unit == "share":
        return percent(value)
    return number(value, 0 if unit in ("count", "money", "days", "hours") else 2)
