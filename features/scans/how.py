"""What is to know of the snapshots that are computed together, and when a row was known."""

from dataclasses import dataclass
from datetime import datetime

from features.stretches import Stretches

WIDE = frozenset({"events", "kinds", "year"})
"""Scans that hand out one row a snapshot of an account, with columns that features are arithmetic over."""

USAGE = WIDE | {"users", "visits"}
"""Scans of usage."""
LAID = "scan_laid"
"""The view of the features of all scans that are laid."""


@dataclass(frozen=True)
class How:
    """The snapshots that are computed together, and what is to know of the sources.

    `days` are their dates in order. `per_account` tells that the calendar is keyed by account and day, else by day
    alone. `versioned` names the sources whose rows tell when they became known. `kinds` is the number of kinds of event
    with features of their own; `spends` tells that usage has money. `stretches` are those of the usage, None where
    usage has versions or nobody shares them. `ranked` names the sources whose rows are ranked for all snapshots (see
    `features.ranks`).
    """

    versioned: frozenset[str]
    days: tuple[datetime, ...] = ()
    per_account: bool = False
    kinds: int = 0
    spends: bool = False
    stretches: Stretches | None = None
    ranked: frozenset[str] = frozenset()

    def is_laid(self, scan: str) -> bool:
        """Whether a scan is made of stretches that are laid beside the rows of the spine."""
        return self.stretches is not None if scan == "year" else scan in WIDE and self.shared is not None

    @property
    def shared(self) -> Stretches | None:
        """The stretches, where the last 84 days of all these snapshots are made of them."""
        if self.stretches is None or not all(self.stretches.are_shared(day) for day in self.days):
            return None
        return self.stretches


KNOWN = "r.known_at <= c.snapshot_at AND (r.superseded_at IS NULL OR r.superseded_at > c.snapshot_at)"
"""Condition that a row `r` with versions was known at the snapshot of `c`."""
