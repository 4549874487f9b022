"""The few shapes that all tables in the terminal share."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from training.report.words import UNKNOWN

TIER_STYLE = {"green": "green", "yellow": "yellow", "red": "red"}
VERDICT_STYLE = {True: "green", False: "red", None: "yellow"}


def table(*columns: str, rows: Iterable[Sequence[Any]] = ()) -> Table:
    """A table without frames; a column whose name ends in `>` holds numbers and is set to the right."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(name.removesuffix(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def section(title: str, *shown: RenderableType) -> list[RenderableType]:
    """A title above what it names."""
    return [Padding(Text(title, style="bold"), (1, 0, 0, 0)), *shown]


def bullets(sentences: Iterable[str]) -> RenderableType:
    """Sentences, one a paragraph, wrapped under their dash."""
    grid = Table.grid(padding=(0, 1))
    for sentence in sentences:
        grid.add_row("-", escape(sentence))
    return grid


def tier(name: str | None) -> str:
    """A tier's name, coloured as it is called."""
    if name is None:
        return UNKNOWN
    style = TIER_STYLE.get(name)
    return f"[{style}]{escape(name)}[/]" if style else escape(name)
