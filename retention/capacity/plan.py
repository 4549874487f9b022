"""The plan: for every owner the plays to carry out, what one more hour would bring, and what other ways would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retention.capacity import compare
from retention.capacity.choices import NOBODY, Candidate, Choice, choices
from retention.capacity.solve import solve
from retention.figures import Figure
from retention.house import House
from retention.sections import Capacity


@dataclass(frozen=True, kw_only=True)
class OwnersPlan:
    """One owner's share of the plan, over the planning time.

    `wanted` are the hours that the standard treatment of all of the owner's accounts would take (systems P7-P9).
    `hour_is_worth` is what one more hour adds to the expected value, from solving again with it. `gap` as in `Solved`.
    """

    owner: str
    hours: float
    accounts: Sequence[Candidate]
    wanted: float
    chosen: Sequence[Choice]
    value: float
    hour_is_worth: float
    gap: float

    @property
    def is_overloaded(self) -> bool:
        """Whether the standard treatment takes more hours than there are."""
        return self.wanted > self.hours


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All owners' plans, and what ranking by risk and picking at random are worth within the same limits."""

    owners: Sequence[OwnersPlan]
    value: Figure
    by_risk: Figure
    at_random: Figure


def plan(candidates: Sequence[Candidate], house: House, effects: Mapping[str, Figure], hours: float | None) -> Plan:
    """Plan every owner's hours.

    Args:
        candidates: all accounts that may get a play.
        house: hours, split, plays.
        effects: measured effects by play.
        hours: of every owner; None for the house's.
    """
    capacity, found = house.capacity, []
    risky: list[Choice] = []
    drawn = [0.0] * compare.DRAWS
    for owner in sorted({one.owner for one in candidates}):
        theirs = [one for one in candidates if one.owner == owner]
        options = list(choices(theirs, house, effects))
        has = hours_of(capacity, owner) if hours is None or owner == NOBODY else hours
        found.append(_owners_plan(owner, theirs, options, has, house))
        risky += compare.by_risk(options, has, capacity.split, capacity.leeway)
        theirs_at_random = compare.at_random(options, has, capacity.split, capacity.leeway)
        drawn = [before + more for before, more in zip(drawn, theirs_at_random, strict=True)]
    chosen = [choice for one in found for choice in one.chosen]
    return Plan(
        owners=tuple(found),
        value=compare.total(chosen),
        by_risk=compare.total(risky),
        at_random=_spread(drawn),
    )


def hours_of(capacity: Capacity, owner: str) -> float:
    """An owner's hours in the planning time."""
    return capacity.owners.get(owner, 0.0 if owner == NOBODY else capacity.hours)


def _owners_plan(
    owner: str, accounts: Sequence[Candidate], options: Sequence[Choice], hours: float, house: House
) -> OwnersPlan:
    split, leeway = house.capacity.split, house.capacity.leeway
    now, more = solve(options, hours, split, leeway), solve(options, hours + 1, split, leeway)
    return OwnersPlan(
        owner=owner,
        hours=hours,
        accounts=accounts,
        wanted=sum(house.plays[house.capacity.treatment[one.level]].hours for one in accounts),
        chosen=now.chosen,
        value=now.value,
        hour_is_worth=max(0.0, more.value - now.value),
        gap=now.gap,
    )


def _spread(drawn: Sequence[float]) -> Figure:
    """Mean of the draws, between the 2.5th and 97.5th percentile of them."""
    ordered = sorted(drawn)
    edge = round(0.025 * (len(ordered) - 1))
    return Figure(sum(ordered) / len(ordered), len(ordered), ordered[edge], ordered[-1 - edge])
