"""What staging hands over: which sources there are, what they say, and what was left out."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Rows left out for one reason; `example` is one row's full reason, with its value."""

    reason: str
    count: int
    example: str


@dataclass(frozen=True, kw_only=True)
class StagedSource:
    """What one source delivered. `first_at` and `last_at` are the earliest and latest clock of good rows.

    `columns` are the columns that the company's data fill, with what they come from; the other canonical
    ones are typed NULLs. `versioned` tells that `known_at` is mapped, so that rows may have versions.
    `copies` counts good rows that are exact copies of another row of a source without a key; they are kept.
    None: not counted, there are too many rows.
    """

    name: str
    place: str
    columns: dict[str, str]
    versioned: bool
    in_place: bool
    rows_read: int
    rows_good: int
    quarantined: tuple[Broken, ...]
    first_at: datetime | None
    last_at: datetime | None
    copies: int | None = 0

    @property
    def rows_quarantined(self) -> int:
        """Rows left out, for any reason."""
        return sum(broken.count for broken in self.quarantined)


@dataclass(frozen=True, kw_only=True)
class Staged:
    """The staged sources of one engine. `attributes` are the accounts' further columns, `now` naive UTC."""

    sources: dict[str, StagedSource]
    attributes: tuple[str, ...]
    now: datetime
    warnings: tuple[str, ...] = field(default=())

    def has(self, source: str, column: str) -> bool:
        """Whether the company's data fill this column."""
        return source in self.sources and column in self.sources[source].columns

    def versioned(self, source: str) -> bool:
        """Whether rows of this source tell when they became known, and so may have versions."""
        return source in self.sources and self.sources[source].versioned
