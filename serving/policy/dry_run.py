"""What a policy would do to the last scores, before it goes live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from serving.policy.check import unused_plays
from serving.policy.conditions import missing_names
from serving.policy.document import LEVELS, Policy
from serving.policy.responses import window_of
from serving.policy.risk import risk_level
from serving.policy.sending import alerts
from serving.policy.signs import WarningSign, warning_signs
from serving.policy.situation import Situation

MOST = 0.5
"""A rule that catches more of the book than this says little about any account."""
SAME = 0.9
"""Two rules whose accounts overlap (Jaccard) by more than this are one rule told twice."""
ENOUGH = 5
"""Accounts below which an overlap says nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one rule does to the last scores.

    `rule` is written as its table (`warnings.W1`). `accounts` caught, their `share` of the book in [0, 1] and their
    `value_at_risk` (money a year; None where no value is known). `not_applicable` says which names this company does
    not have, None for a rule that can be asked.
    """

    rule: str
    title: str
    accounts: int
    share: float
    value_at_risk: float | None
    not_applicable: str | None = None


@dataclass(frozen=True)
class Preview:
    """Rows by rule; alerts against the budget; and what somebody should look at.

    `alerts_in_this_run` are all that budget and cool-down would choose from, `always_sent` those of them that no
    budget holds back. `alerts_a_day` divides them by the days since the run before; None at a first run, which tells
    everything at once and so says nothing about a usual day.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    alerts_in_this_run: int
    always_sent: int
    alerts_a_day: float | None
    daily_budget: int


def preview(policy: Policy, situations: Sequence[Situation]) -> Preview:
    """How many accounts each rule of the policy catches, and what is odd about that."""
    signs = {s.account_id: warning_signs(policy, s) for s in situations}
    caught = _caught(policy, situations, signs)
    rows = tuple(_row(policy, rule, title, each, situations) for rule, (title, each) in caught.items())
    run = alerts(policy, situations, signs, ())
    found = (*run.sent, *run.held_back)
    days = _days_since_before(situations)
    a_day = len(found) / days if days else None
    return Preview(
        rows=rows,
        problems=(*_catch_most(rows), *_overlapping(caught), *_never(policy, rows), *_over_budget(policy, a_day)),
        alerts_in_this_run=len(found),
        always_sent=sum(alert.is_urgent for alert in found),
        alerts_a_day=a_day,
        daily_budget=policy.alerts.daily_budget,
    )


def _caught(
    policy: Policy, book: Sequence[Situation], signs: Mapping[str, Sequence[WarningSign]]
) -> dict[str, tuple[str, list[Situation]]]:
    """Title and accounts of every rule, by its table."""
    level = {s.account_id: risk_level(policy, s).level for s in book}
    fires = {(s.account_id, sign.rule) for s in book for sign in signs[s.account_id]}
    window = {s.account_id: window_of(policy, s) for s in book}
    found = {f"tiers.{n}": (rule.label, [s for s in book if s.tier == n]) for n, rule in policy.tiers.items()}
    found |= {f"risk.{n}": (f"{n} risk", [s for s in book if level[s.account_id] == n]) for n in LEVELS}
    found |= {
        f"warnings.{n}": (rule.title, [s for s in book if (s.account_id, n) in fires])
        for n, rule in policy.warnings.items()
    }
    return found | {
        f"renewal.{n}": (policy.plays[rule.play].title, [s for s in book if window[s.account_id] == rule])
        for n, rule in policy.renewal.items()
    }


def _row(policy: Policy, rule: str, title: str, caught: Sequence[Situation], book: Sequence[Situation]) -> Row:
    known = [s.value_at_risk for s in caught if s.value_at_risk is not None]
    return Row(
        rule=rule,
        title=title,
        accounts=len(caught),
        share=len(caught) / len(book) if book else 0.0,
        value_at_risk=sum(known) if known else None,
        not_applicable=_lacking(policy, rule, book),
    )


def _lacking(policy: Policy, rule: str, book: Sequence[Situation]) -> str | None:
    """Why a warning can never fire at this company: names that no account has."""
    section, _, name = rule.partition(".")
    if section != "warnings" or not book:
        return None
    widest = max(book, key=lambda s: len(s.features))
    lacking = missing_names(policy.warnings[name].when, widest)
    return f"this company has no {', '.join(lacking)}" if lacking else None


def _catch_most(rows: Sequence[Row]) -> list[str]:
    return [
        f"[{row.rule}] catches {100 * row.share:.0f} % of the book, so it tells no account from another; tighten it"
        for row in rows
        if row.share > MOST and row.rule.startswith(("warnings.", "renewal."))
    ]


def _overlapping(caught: Mapping[str, tuple[str, Sequence[Situation]]]) -> list[str]:
    """Pairs of warnings that catch nearly the same accounts."""
    accounts = {n: {s.account_id for s in found} for n, (_, found) in caught.items() if n.startswith("warnings.")}
    pairs = combinations([n for n, found in accounts.items() if len(found) >= ENOUGH], 2)
    return [
        f"[{a}] and [{b}] catch nearly the same accounts ({len(accounts[a] & accounts[b])} in common); keep one"
        for a, b in pairs
        if len(accounts[a] & accounts[b]) > SAME * len(accounts[a] | accounts[b])
    ]


def _never(policy: Policy, rows: Sequence[Row]) -> list[str]:
    """Rules that could be asked and caught nobody, and plays that nothing starts."""
    idle = [row.rule for row in rows if row.accounts == 0 and not row.not_applicable]
    told = [f"[{rule}] caught nobody; see whether its bounds can be reached" for rule in idle]
    return told + [f"[plays.{name}] is started by nothing; refer to it or remove it" for name in unused_plays(policy)]


def _over_budget(policy: Policy, a_day: float | None) -> list[str]:
    budget = policy.alerts.daily_budget
    if a_day is None or a_day <= budget:
        return []
    return [f"[alerts] about {a_day:.0f} alerts a day are expected and daily_budget is {budget}; tighten rules first"]


def _days_since_before(book: Sequence[Situation]) -> float | None:
    """Days from the newest earlier run to this one; None at a first run."""
    runs = [(s.as_of - s.previous.as_of) / timedelta(days=1) for s in book if s.previous]
    return min((days for days in runs if days > 0), default=None)
