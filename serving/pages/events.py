"""An account over time: its past scores, and what happened on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from serving.pages.words import plain, signed
from serving.policy import Policy
from serving.store.accounts import Past
from serving.store.decisions import Decision
from serving.store.signs import Raised

Kind = Literal["tier", "warning", "decision"]
CHOSEN = {"accept": "Accepted", "override": "Overridden", "dismiss": "Dismissed"}


@dataclass(frozen=True)
class Happened:
    """Something that happened to an account, in words."""

    at: datetime
    kind: Kind
    text: str


def happened(
    policy: Policy, past: Sequence[Past], signs: Sequence[Raised], decided: Sequence[Decision]
) -> list[Happened]:
    """Tier changes, warning signs and decisions, newest first."""
    found = [*_tier_changes(policy, past)]
    found += [Happened(sign.at, "warning", f"{sign.rule}: {sign.text}") for sign in signs]
    found += [Happened(one.at, "decision", decision_in_words(policy, one)) for one in decided]
    return sorted(found, key=lambda one: one.at, reverse=True)


def decision_in_words(policy: Policy, decision: Decision) -> str:
    """What was decided: the choice, the play, and what an override put in place."""
    play = policy.plays.get(decision.play or "")
    said = CHOSEN[decision.choice]
    if decision.play:
        said += f": {play.title if play else plain(decision.play)}"
    put = [f"{plain(name).lower()} {_value(policy, name, value)}" for name, value in decision.values.items()]
    return said + (f" ({', '.join(put)})" if put else "")


def label(policy: Policy, tier: str | None) -> str:
    """What people call a tier."""
    rule = policy.tiers.get(tier or "")
    return rule.label if rule else (tier or "Not scored")


def by_day(past: Sequence[Past], events: Sequence[Happened]) -> Mapping[datetime, list[Happened]]:
    """Events under the score that was in force when they happened."""
    found: dict[datetime, list[Happened]] = {}
    for event in events:
        earlier = [one.as_of for one in past if one.as_of <= event.at] or [one.as_of for one in past[:1]]
        if earlier:
            found.setdefault(earlier[-1], []).append(event)
    return found


def _tier_changes(policy: Policy, past: Sequence[Past]) -> list[Happened]:
    found = []
    for before, now in pairwise(past):
        if before.score.tier == now.score.tier:
            continue
        text = f"{label(policy, before.score.tier)} to {label(policy, now.score.tier)}"
        if before.score.health_score is not None and now.score.health_score is not None:
            text += f" ({signed(now.score.health_score - before.score.health_score)} points)"
        found.append(Happened(now.as_of, "tier", text))
    return found


def _value(policy: Policy, name: str, value: str) -> str:
    return label(policy, value) if name == "tier" else str(value)
