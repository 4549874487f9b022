"""Retention's blocks in the terminal."""

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
    shown = block.rows if every_row else block.rows[:MOST_ROWS]
    for row in shown:
        made.add_row(*(_cell(column, value) for column, value in zip(block.columns, row, strict=True)))
    more = len(block.rows) - len(shown)
    rest = [Text(f"… and {more:,} more", style="dim")] if more else []
    notes = [bullets(block.notes)] if block.notes else []
    return section(block.title, Text(block.says, style="dim"), made, *rest, *notes)


def _cell(column: Column, value: Value) -> str:
    if not isinstance(value, Figure):
        return escape(_shown(column.unit, value))
    told = _shown(column.unit, value.value)
    if value.low is None or value.high is None:
        return told if value.n is None else f"{told} [dim](n {value.n:,})[/dim]"
    between = f"{_shown(column.unit, value.low)} to {_shown(column.unit, value.high)}"
    cases = "" if value.n is None else f"; n {value.n:,}"
    return f"{told} [dim]({between}{cases})[/dim]"


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
