"""Risk level: health tier x value x renewal x usage. The tier is an input to it, not the same thing."""

from dataclasses import dataclass
from typing import Literal

from retention.conditions import Condition
from serving.policy.conditions import passed
from serving.policy.document import LEVELS, Case, Level, Policy, Treatment
from serving.policy.signs import amount, described
from serving.policy.situation import Situation

STRATEGIC = "strategic"
"""The input by which a person marks a strategic account (1)."""


@dataclass(frozen=True)
class Risk:
    """An account's risk level with its treatment, and why, in words.

    Both are None when nothing puts the account into a level and it has no health score: unknown is not low.
    """

    level: Level | None
    treatment: Treatment | None
    because: tuple[str, ...]


def risk_level(policy: Policy, situation: Situation) -> Risk:
    """The first level, from high to low, of which a case holds; else the low one for a scored account."""
    for level in LEVELS:
        for case in policy.risk[level].cases:
            if because := _because(policy, case, situation):
                return Risk(level, policy.risk[level], because)
    if situation.tier is None:
        return Risk(None, None, ("there is no health score yet",))
    lowest = LEVELS[-1]
    return Risk(lowest, policy.risk[lowest], (f"health is {situation.tier}", "no case of a higher level holds"))


def value_level(policy: Policy, situation: Situation) -> Literal["high", "moderate", "low"] | None:
    """How much the account is worth: by money where the policy gives it, else by rank in the book."""
    by_money = policy.value.high_money is not None or policy.value.moderate_money is not None
    known = situation.yearly_value if by_money else situation.value_rank
    if known is None:
        return None
    high = policy.value.high_money if by_money else policy.value.high_rank
    moderate = policy.value.moderate_money if by_money else policy.value.moderate_rank
    if high is not None and known >= high:
        return "high"
    return "moderate" if moderate is not None and known >= moderate else "low"


def usage_level(policy: Policy, situation: Situation) -> Literal["low", "falling"] | None:
    """Whether usage is low or falling by the policy's conditions; None when it is neither or not known."""
    if passed(policy.usage.low, situation, {}):
        return "low"
    return "falling" if passed(policy.usage.falling, situation, {}) else None


def _because(policy: Policy, case: Case, situation: Situation) -> tuple[str, ...]:
    """Why the case holds, a text for everything it names; empty when it does not."""
    told = []
    for check in (_tier, _value, _renewal, _usage, _strategic):
        text = check(policy, case, situation)
        if text is False:
            return ()
        if text is not None:
            told.append(text)
    return tuple(told)


# Each check gives a text when what the case names holds, False when it does not, None when the case does not name it.
def _tier(_: Policy, case: Case, situation: Situation) -> str | Literal[False] | None:
    if not case.tier:
        return None
    return situation.tier in case.tier and f"health is {situation.tier}"


def _value(policy: Policy, case: Case, situation: Situation) -> str | Literal[False] | None:
    if case.value is None:
        return None
    level = value_level(policy, situation)
    enough = level == "high" or (level == "moderate" and case.value == "moderate")
    return enough and f"worth {amount(situation.yearly_value)} a year, a {level} value in this book"


def _renewal(_: Policy, case: Case, situation: Situation) -> str | Literal[False] | None:
    if case.renewal_within_days is None:
        return None
    days = situation.days_to_renewal
    near = days is not None and 0 <= days <= case.renewal_within_days
    return near and f"renews in {amount(days)} days, within {amount(case.renewal_within_days)}"


def _usage(policy: Policy, case: Case, situation: Situation) -> str | Literal[False] | None:
    if case.usage is None:
        return None
    level = usage_level(policy, situation)
    condition: Condition = policy.usage.low if level == "low" else policy.usage.falling
    if level is None or (case.usage == "low" and level != "low"):
        return False
    first = passed(condition, situation, {})[0].feature
    known = situation.features.get(first)
    return f"usage is {level}" + ("" if known is None else f" ({described(policy, first)}: {amount(known)})")


def _strategic(_: Policy, case: Case, situation: Situation) -> str | Literal[False] | None:
    if not case.strategic:
        return None
    return bool(situation.inputs.get(STRATEGIC)) and "marked as a strategic account"
