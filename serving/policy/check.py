"""What is wrong with a policy that each of its tables alone cannot see: references that lead nowhere."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from retention.conditions import Condition
from serving.policy.document import LEVELS, Policy
from serving.policy.names import is_declared
from serving.policy.situation import FACTS


def problems_of(policy: Policy) -> list[str]:
    """Every broken reference as `[table] key: what is wrong and what to do`; empty for a sound policy."""
    return list(chain(_responses(policy), _tables(policy), _conditions(policy), _owners(policy), _tier_names(policy)))


def _responses(policy: Policy) -> Iterator[str]:
    """A play that is asked for and not described: a score without a response is just a number."""
    asked = [(f"{section}.{name}", row.play) for section, name, row in _asking(policy)]
    asked += [("alerts", policy.alerts.score_drop_play), ("alerts", policy.alerts.stale_play)]
    for table, play in asked:
        if play not in policy.plays:
            yield f"[{table}] play = {play!r} is not described; add [plays.{play}] or name one of {_some(policy.plays)}"


def _tables(policy: Policy) -> Iterator[str]:
    for name, driver in policy.drivers.items():
        if driver.churn_type not in policy.churn_types:
            known = _some(policy.churn_types)
            yield f"[drivers.{name}] churn_type = {driver.churn_type!r} is not a table; name one of {known}"
    for level in LEVELS:
        if level not in policy.risk:
            yield f"[risk.{level}] is missing; describe how accounts of {level} risk are treated"
    if not policy.business.keys() >= {"b2b", "saas", "b2c"}:
        yield "[business] needs b2b, saas and b2c; do not remove any"


def _conditions(policy: Policy) -> Iterator[str]:
    known = FACTS.keys() | policy.inputs.keys()
    for table, condition in _asked_conditions(policy):
        for name in condition.names:
            if name not in known and not is_declared(name):
                yield (
                    f"[{table}] feature = {name!r} is no feature; `keepwell catalogue` lists them; "
                    "what a person tells is declared under [inputs]"
                )
    for name in policy.inputs:
        if name in FACTS or is_declared(name):
            yield f"[inputs] {name}: is already the name of a feature or fact; choose another"


def _asked_conditions(policy: Policy) -> Iterator[tuple[str, Condition]]:
    yield "usage.low", policy.usage.low
    yield "usage.falling", policy.usage.falling
    yield from ((f"warnings.{name}", rule.when) for name, rule in policy.warnings.items())
    yield from ((f"churn_types.{name}", kind.when) for name, kind in policy.churn_types.items() if kind.when)


def _owners(policy: Policy) -> Iterator[str]:
    named = [(f"{section}.{name}", row.owner) for section, name, row in _asking(policy) if hasattr(row, "owner")]
    named += [(f"plays.{name}", play.owner) for name, play in policy.plays.items()]
    named += [(f"drivers.{name}", owner) for name, driver in policy.drivers.items() for owner in driver.owners]
    named += [(f"risk.{name}", rule.escalate_to) for name, rule in policy.risk.items()]
    named += [(f"risk.{name}", rule.sponsor) for name, rule in policy.risk.items() if rule.sponsor]
    named += [(f"business.{name}", role) for name, row in policy.business.items() for role in row.owners.values()]
    for table, role in named:
        if role not in policy.roles:
            yield f"[{table}] owner {role!r} is no role; add it under [roles] or name one of {_some(policy.roles)}"


def _tier_names(policy: Policy) -> Iterator[str]:
    cases = [(f"risk.{level}", case.tier) for level, rule in policy.risk.items() for case in rule.cases]
    cases += [(f"business.{name}", row.watch_tiers) for name, row in policy.business.items()]
    for table, tiers in cases:
        for tier in tiers:
            if tier not in policy.tiers:
                yield f"[{table}] {tier!r} is no tier; name one of {_some(policy.tiers)}"


def unused_plays(policy: Policy) -> list[str]:
    """Plays that no table starts."""
    started = {row.play for _, _, row in _asking(policy)} | {policy.alerts.score_drop_play, policy.alerts.stale_play}
    return [name for name in policy.plays if name not in started]


def _asking(policy: Policy) -> Iterator[tuple[str, str, Any]]:
    """Every table that asks for a play: section, name and row."""
    for section in ("tiers", "drivers", "churn_types", "risk", "warnings", "renewal"):
        yield from ((section, name, row) for name, row in getattr(policy, section).items())


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
