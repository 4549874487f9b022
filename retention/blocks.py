"""How a measurement is handed over: blocks of rows that the command line, the API and the pages all show alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from retention.errors import RetentionError
from retention.figures import Figure
from retention.metrics import metric

Unit = Literal["text", "count", "share", "money", "number", "days", "hours", "points", "month", "day", "flag"]
ChartKind = Literal["line", "bar", "stacked"]
Value = str | int | float | bool | datetime | date | Figure | None


@dataclass(frozen=True)
class Column:
    """A column: `name` for machines, `title` for people, `unit` of its values.

    A column of figures (`has_interval`) holds value, low, high and n. Shares are in [0, 1], money is in the
    company's currency, months and days are dates.
    """

    name: str
    title: str
    unit: Unit = "text"
    has_interval: bool = False


@dataclass(frozen=True)
class Chart:
    """How a block is drawn: `x` and `ys` name columns; `by` names the column whose values are the series."""

    kind: ChartKind
    x: str
    ys: tuple[str, ...]
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """One measurement: what it says, how it was counted, and its rows.

    `systems` are the rows of docs/systems.md that it answers. `says` is one or two sentences: what is counted, over
    whom, and what a reader must mind. `account` names the column with account ids, which pages link.
    """

    id: str
    title: str
    systems: tuple[str, ...]
    says: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    chart: Chart | None = None
    account: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise RetentionError(f"block {self.id}: a row has {len(row)} values for {len(self.columns)} columns")

    def column(self, name: str) -> list[Value]:
        """The values of one column."""
        at = [column.name for column in self.columns].index(name)
        return [row[at] for row in self.rows]

    def as_dicts(self) -> list[dict[str, Value]]:
        """The rows as records."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def as_json(self) -> dict[str, Any]:
        """The block for machines; a figure is an object with value, n, low, high and confidence."""
        told = {name: value for name, value in asdict(self).items() if name != "rows"}
        return told | {"rows": [{name: _plain(value) for name, value in row.items()} for row in self.as_dicts()]}


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Blocks that belong together; `not_measured` says what could not be measured and which data is missing.

    `figures` are the values of the metrics of retention/metrics.py that the chapter measured, by metric name.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    not_measured: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def block(self, id_: str) -> Block:
        """A block by its id.

        Raises:
            RetentionError: there is none.
        """
        for block in self.blocks:
            if block.id == id_:
                return block
        raise RetentionError(f"chapter {self.id} has no block {id_}; it has {', '.join(b.id for b in self.blocks)}")

    def as_json(self) -> dict[str, Any]:
        """The chapter for machines."""
        blocks = [block.as_json() for block in self.blocks]
        told = {"id": self.id, "title": self.title, "blocks": blocks, "not_measured": list(self.not_measured)}
        return told | {"figures": _figures(self.figures)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was measured as of a moment; `definitions` are the digests of the metrics it used."""

    as_of: datetime
    company: str
    chapters: tuple[Chapter, ...]
    definitions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a metric that has no definition, or that two chapters measured."""
        measured_by: dict[str, str] = {}
        for chapter in self.chapters:
            for name in chapter.figures:
                other = measured_by.setdefault(metric(name).name, chapter.id)
                if other != chapter.id:
                    raise RetentionError(f"metric {name} is measured by chapters {other} and {chapter.id}; keep one")

    @property
    def figures(self) -> dict[str, Figure]:
        """The metrics that were measured, by name: what decision records are held against."""
        return {name: figure for chapter in self.chapters for name, figure in chapter.figures.items()}

    def as_json(self) -> dict[str, Any]:
        """The report for machines and for the store."""
        return {
            "as_of": self.as_of.isoformat(),
            "company": self.company,
            "chapters": [chapter.as_json() for chapter in self.chapters],
            "definitions": self.definitions,
            "figures": _figures(self.figures),
        }


def rows(values: Iterable[Sequence[Any]]) -> tuple[tuple[Value, ...], ...]:
    """Rows of a block from any sequence of sequences."""
    return tuple(tuple(row) for row in values)


def _figures(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: _plain(figure) for name, figure in figures.items()}


def _plain(value: Value) -> Any:
    match value:
        case Figure():
            return asdict(value) | {"confidence": value.confidence}
        case datetime() | date():
            return value.isoformat()
    return value
