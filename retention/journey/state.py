"""Where one account is, for its page: stage, checklists, renewal, milestones, what it is ready for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from retention.inputs import Inputs
from retention.journey.book import Book, Customer, look
from retention.journey.checklist import Check, Checklist, Tick, Ticks, checklist, open_phases, ticks
from retention.journey.expansion import gate, intents, signals
from retention.journey.renewals import hidden_risks, window
from retention.journey.touches import due_at
from retention.journey.way import current_step


@dataclass(frozen=True, kw_only=True)
class AccountState:
    """An account at a moment. Moments are ISO texts, None is "not known" or "none".

    `milestones` maps names to when they were reached; `next_step` is the first step of the path that is not. `phases`
    are the open checklists. `renewal` is there within the policy's windows. `expansion_missing` says what closes the
    gate for a customer with a signal.
    """

    account_id: str
    as_of: str
    stage: str
    age_days: int
    milestones: dict[str, str | None]
    next_step: str | None
    phases: tuple[dict[str, Any], ...]
    renewal: dict[str, Any] | None
    expansion: tuple[str, ...]
    expansion_missing: tuple[str, ...]
    advocate: str | None
    next_touch_at: str | None

    def as_json(self) -> dict[str, Any]:
        """The state for machines."""
        return asdict(self)


def account_state(inputs: Inputs, account_id: str, said: Mapping[str, Tick] | None = None) -> AccountState | None:
    """The state of a current customer; None where the account is none.

    `said` are the account's newest ticks by item, where those after the moment shall count too.
    """
    book = look(inputs)
    one = book.customer(account_id)
    if one is None:
        return None
    known = ticks(book)
    return state_of(book, one, known if said is None else {**known, account_id: said})


def state_of(book: Book, one: Customer, said: Ticks) -> AccountState:
    """The state of a customer of the book, by these ticks."""
    wanted = intents(book)
    signs = signals(book, one, wanted)
    step = current_step(book, one)
    return AccountState(
        account_id=one.account_id,
        as_of=book.as_of.isoformat(),
        stage=one.stage,
        age_days=one.age_days,
        milestones={name: _text(one.reached.get(name)) for name in book.milestones},
        next_step=None if step is None else book.steps[step[0]],
        phases=tuple(_phase(checklist(book, one, opened, said)) for opened in open_phases(book, one)),
        renewal=_renewal(book, one),
        expansion=tuple(signs),
        expansion_missing=tuple(gate(book, one)) if signs else (),
        advocate=one.advocate.why if one.advocate else None,
        next_touch_at=_text(due_at(book, one)),
    )


def _phase(held: Checklist) -> dict[str, Any]:
    return {
        "phase": held.opened.name,
        "title": held.opened.phase.title,
        "began_at": held.opened.began_at.isoformat(),
        "complete": held.complete,
        "overdue": [check.id for check in held.overdue],
        "items": [_item(check) for check in held.checks],
    }


def _item(check: Check) -> dict[str, Any]:
    return {
        "item": check.id,
        "title": check.item.title,
        "told_by": check.item.by,
        "is_kept_up": check.item.stands,
        "is_done": check.is_done,
        "at": _text(check.at),
        "by": check.by,
        "due_at": check.due_at.isoformat(),
        "is_overdue": check.is_overdue,
    }


def _renewal(book: Book, one: Customer) -> dict[str, Any] | None:
    days = window(book, one)
    if days is None:
        return None
    return {
        "renews_at": _text(one.renews_at),
        "days_to_renewal": one.number("days_to_renewal"),
        "window_days": days,
        "risks": hidden_risks(book, one),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
