"""A source on its way from raw rows to its staged table."""

from dataclasses import dataclass

from features.contracts import Source
from features.sources.judging import Judging
from features.sources.mapping import KNOWN_AT, Resolved
from features.sources.raw import Raw

QUARANTINE = "_quarantine"
"""The table of broken rows: source, reason, row."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A source on its way: its contract, raw rows, mapping, SQL, and what tells one row from another."""

    source: Source
    raw: Raw
    resolved: Resolved
    how: Judging
    key: tuple[str, ...]
    repeats: bool = False
    """Whether any key comes more than once; only then are rows others' versions."""
    doubles: bool = False
    """Whether any key comes more than once as known at one moment; only then must rows be compared with each other."""

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def versioned(self) -> bool:
        """Whether the company says when rows became known."""
        return KNOWN_AT in self.resolved.expressions

    @property
    def same(self) -> tuple[str, ...]:
        """What no two rows may have in common."""
        return (*self.key, KNOWN_AT) if self.versioned else self.key

    @property
    def in_place(self) -> bool:
        """Whether rows stay in their files: where none is compared with another, nor given a start later."""
        return self.raw.in_place and not self.repeats and self.name != "accounts"
