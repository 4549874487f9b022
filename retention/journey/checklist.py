"""The checklist of a phase for one customer: what is done, what is overdue, and what has lapsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from retention.conditions import Condition
from retention.journey.book import Book, Customer
from retention.journey.ways import Item, Phase


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a person said of an item last."""

    at: datetime
    by: str
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class Check:
    """The state of one item for one customer.

    `is_done`: reached, ticked, or kept up now; None where the data do not tell. `at` is when it was reached or ticked.
    `is_used`: told by the data, or ticked by somebody for some account.
    """

    id: str
    item: Item
    is_done: bool | None
    at: datetime | None
    by: str | None
    due_at: datetime
    is_used: bool
    as_of: datetime

    @property
    def is_overdue(self) -> bool:
        """Not done, and its day has passed; what the data do not tell, or nobody ever ticks, is not overdue."""
        return self.is_used and self.is_done is False and self.due_at < self.as_of


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A phase that a customer is in, from `began_at`."""

    name: str
    phase: Phase
    began_at: datetime


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """A phase's items for one customer.

    Progress counts what is reached once, so that it never goes backwards unless a tick is taken back; what is to be
    kept up can lapse, and is counted beside it.
    """

    opened: Opened
    checks: tuple[Check, ...]

    @property
    def done(self) -> int:
        """Items reached once that are done."""
        return sum(1 for check in self._once if check.is_done)

    @property
    def whole(self) -> int:
        """Items to be reached once that can be told."""
        return len(self._once)

    @property
    def complete(self) -> float | None:
        """Share of the items to be reached once that are done."""
        return self.done / self.whole if self.whole else None

    @property
    def kept(self) -> float | None:
        """Share of the items to be kept up that hold now, of those that can be told and are used."""
        standing = [check for check in self.checks if check.item.stands and check.is_used and check.is_done is not None]
        return sum(1 for check in standing if check.is_done) / len(standing) if standing else None

    @property
    def overdue(self) -> tuple[Check, ...]:
        """Items whose day has passed."""
        return tuple(check for check in self.checks if check.is_overdue)

    @property
    def _once(self) -> list[Check]:
        return [check for check in self.checks if not check.item.stands and check.is_done is not None]


Ticks = Mapping[str, Mapping[str, Tick]]
"""The newest tick by account and item, an item being PHASE.ITEM."""


def ticks(book: Book) -> Ticks:
    """What persons ticked last, by the moment of the book."""
    found: dict[str, dict[str, Tick]] = {}
    for account, item, at, by, is_done in book.inputs.rows(
        """SELECT account_id, item, r.at, r.by, is_done FROM check_history r
           QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id, item ORDER BY r.at DESC, is_done) = 1"""
    ):
        if isinstance(at, datetime):
            found.setdefault(str(account), {})[str(item)] = Tick(at=at, by=str(by), is_done=bool(is_done))
    return found


def open_phases(book: Book, one: Customer) -> list[Opened]:
    """The phases that a customer is in: the one of its age, and the one before its renewal."""
    found = []
    for name, phase in book.inputs.house.phases.items():
        if book.business_model not in phase.business_models:
            continue
        began = _began(phase, one)
        if began is not None:
            found.append(Opened(name=name, phase=phase, began_at=began))
    return found


def checklist(book: Book, one: Customer, opened: Opened, said: Ticks) -> Checklist:
    """A phase's checklist for one customer."""
    mine = said.get(one.account_id, {})
    used = {item for ticked in said.values() for item in ticked}
    checks = []
    for key, item in opened.phase.items.items():
        id_ = f"{opened.name}.{key}"
        done, at, by = _state(book, one, opened, item, mine.get(id_))
        due = opened.began_at + timedelta(days=item.due_day)
        is_used = item.by == "data" or id_ in used
        checks.append(
            Check(id=id_, item=item, is_done=done, at=at, by=by, due_at=due, is_used=is_used, as_of=book.as_of)
        )
    return Checklist(opened=opened, checks=tuple(checks))


def checklists(book: Book) -> dict[str, list[Checklist]]:
    """Every customer's checklists."""
    said = ticks(book)
    return {
        one.account_id: [checklist(book, one, opened, said) for opened in open_phases(book, one)]
        for one in book.customers
    }


def _began(phase: Phase, one: Customer) -> datetime | None:
    """When the phase began for the customer; None where it is not in it. Day 1 is the first day."""
    if phase.from_day is not None:
        day = max(one.age_days, 1)
        is_in = phase.from_day <= day and (phase.until_day is None or day <= phase.until_day)
        return one.began_at + timedelta(days=phase.from_day - 1) if is_in else None
    days, ahead, term = phase.before_renewal_days or 0, one.number("days_to_renewal"), one.number("term_days")
    if one.renews_at is None or ahead is None or term is None or not 0 <= ahead <= days or term <= days:
        return None
    return one.renews_at - timedelta(days=days)


def _state(
    book: Book, one: Customer, opened: Opened, item: Item, tick: Tick | None
) -> tuple[bool | None, datetime | None, str | None]:
    """Whether an item is done, since when, and who says so: the data, or the one who ticked it."""
    in_window = opened.phase.before_renewal_days is not None
    since = opened.began_at if in_window else one.began_at
    ticked = tick if tick and tick.is_done and tick.at >= since else None
    if item.when is not None:
        return _holds(one, item.when), None, "data"
    if ticked and item.every_days is not None:
        return ticked.at + timedelta(days=item.every_days) >= book.as_of, ticked.at, ticked.by
    if ticked:
        return True, ticked.at, ticked.by
    if item.milestone is None:
        return False, None, None
    at = (one.window_reached if in_window else one.reached).get(item.milestone)
    return (at is not None if item.milestone in book.milestones else None), at, "data" if at else None


def _holds(one: Customer, condition: Condition) -> bool | None:
    """Whether a condition holds; None where a number that it needs is not known."""
    if any(one.number(test.feature) is None for test in condition.all):
        return None
    if condition.any and all(one.number(test.feature) is None for test in condition.any):
        return None
    return one.holds(condition)
