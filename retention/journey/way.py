"""How one stint went along the path, and how long a step may take."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from retention.journey.book import Book, Customer

LEARN_FROM = 20
"""A step's usual time is learned from at least so many customers who got through it; else `within_days` counts."""
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one stint went along the path: the moment of each step reached, None where it was not.

    A step is entered when all before it are reached, whatever their order in time: what was reached before that takes
    no time.
    """

    account_id: str
    segment: str | None
    began_at: datetime
    until: datetime
    is_lost: bool
    steps: tuple[datetime | None, ...]

    @cached_property
    def entered(self) -> tuple[datetime | None, ...]:
        """When each step was entered; None for a step that was not."""
        at: datetime | None = self.began_at
        found = []
        for reached in self.steps:
            found.append(at)
            at = None if at is None or reached is None else max(at, reached)
        return tuple(found)

    def from_begin(self, step: int) -> float | None:
        """Days from the begin to a step; None where it was not reached."""
        at = self.steps[step]
        return None if at is None else (at - self.began_at).total_seconds() / DAY

    def days(self, step: int) -> float | None:
        """Days from entering a step to reaching it; None while it is not reached."""
        entered, reached = self.entered[step], self.steps[step]
        return None if entered is None or reached is None else max(0.0, (reached - entered).total_seconds() / DAY)

    def waiting(self, step: int) -> float | None:
        """Days in a step that is entered and not reached, until the moment or the loss."""
        entered = self.entered[step]
        if entered is None or self.steps[step] is not None:
            return None
        return max(0.0, (self.until - entered).total_seconds() / DAY)


def ways(book: Book) -> list[Way]:
    """First stints that the data show from their beginning."""
    if book.watched_from is None or not book.steps:
        return []
    columns = ", ".join(f"MAX(CASE WHEN r.milestone = '{step}' THEN r.reached_at END)" for step in book.steps)
    found = book.inputs.rows(
        f"""SELECT s.account_id, a.segment, s.began_at, COALESCE(s.ended_at, {book.inputs.moment}), s.ended_at,
                   {columns}
            FROM customer_spans s LEFT JOIN known_accounts a ON a.account_id = s.account_id
            LEFT JOIN journey_reached r ON r.account_id = s.account_id AND r.nth = s.nth
            WHERE s.nth = 1 AND s.began_at >= {book.inputs.engine.moment(book.watched_from)}
            GROUP BY s.account_id, a.segment, s.began_at, s.ended_at ORDER BY s.account_id"""
    )
    return [_way(row) for row in found]


def threshold(book: Book, found: Sequence[Way], step: int) -> tuple[float, str]:
    """Days in a step from which a customer is stuck, and where the number comes from: set, learned or default."""
    milestone = book.milestones[book.steps[step]]
    if milestone.stuck_days is not None:
        return float(milestone.stuck_days), "set"
    dwell = [day for way in found if (day := way.days(step)) is not None]
    if len(dwell) < LEARN_FROM:
        return float(milestone.within_days), f"within_days (only {len(dwell)} to learn from)"
    return float(np.quantile(dwell, book.inputs.house.journey.stuck_quantile)), f"learned from {len(dwell)}"


def current_step(book: Book, one: Customer) -> tuple[int, datetime] | None:
    """The first step that a customer has not reached, and when it was entered; None where all are reached."""
    since = one.began_at
    for i, step in enumerate(book.steps):
        reached = one.reached.get(step)
        if reached is None:
            return i, since
        since = max(since, reached)
    return None


def _way(row: tuple[object, ...]) -> Way:
    account, segment, began, until, ended, *reached = row
    if not isinstance(began, datetime) or not isinstance(until, datetime):
        raise TypeError("a stint begins and is watched until a moment")
    return Way(
        account_id=str(account),
        segment=None if segment is None else str(segment),
        began_at=began,
        until=until,
        is_lost=ended is not None,
        steps=tuple(at if isinstance(at, datetime) else None for at in reached),
    )
