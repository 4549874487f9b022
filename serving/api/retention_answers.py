"""What is answered about retention: the blocks of `retention/blocks.py` as they were kept."""

from typing import Literal

from pydantic import Field

from serving.api.answers import Answer, Envelope, Moment, Object


class FigureOut(Answer):
    """A value with how many cases it was counted over, its 95 % interval, and the confidence that follows from it."""

    value: float | None
    n: int | None
    low: float | None
    high: float | None
    confidence: Literal["high", "medium", "low", "none"]


class ColumnOut(Answer):
    """A column; one that has an interval holds figures, the others plain values."""

    name: str
    title: str
    unit: Literal["text", "count", "share", "money", "number", "days", "hours", "points", "month", "day", "flag"]
    has_interval: bool


class BlockOut(Answer):
    """One measurement: what it says and its rows, by column name."""

    id: str
    title: str
    systems: list[str]
    says: str
    columns: list[ColumnOut]
    rows: list[Object]
    notes: list[str] = Field(default_factory=list)


class ChapterOut(Answer):
    """Blocks that belong together, and what could not be measured."""

    id: str
    title: str
    blocks: list[BlockOut]
    not_measured: list[str]


class RetentionAnswer(Envelope):
    """The report: `figures` by metric, `definitions` the digest of what each metric means."""

    as_of: Moment
    measured_at: Moment
    company: str
    figures: dict[str, FigureOut]
    definitions: dict[str, str]
    chapters: list[ChapterOut]
