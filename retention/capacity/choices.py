"""What could be done for whom: every play that an account may get, its hours, and what it is expected to prevent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retention.figures import Figure
from retention.house import House
from retention.sections import Capacity, Care, Level

LEVELS: tuple[Level, ...] = ("high", "medium", "low")
TEAM, NOBODY = "the team", "nobody"
"""Owners of the accounts without one: the whole team where no account has an owner, else nobody, who has no hours."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A scored account: `stake` is the money that churn within the programme's outcome days is expected to cost.

    `probability` is that of churn within the outcome days, `value` the account's money a year.
    """

    account_id: str
    owner: str
    level: Level
    driver: str | None
    probability: float
    value: float
    stake: float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One play for one account. `effect` is the share of the account's churn that it prevents."""

    account_id: str
    owner: str
    level: Level
    play: str
    hours: float
    cost: float
    probability: float
    stake: float
    effect: Figure

    @property
    def worth(self) -> float:
        """Expected preventable value: effect x stake - cost (systems G10)."""
        return (self.effect.value or 0.0) * self.stake - self.cost


def choices(candidates: list[Candidate], house: House, effects: Mapping[str, Figure]) -> Iterator[Choice]:
    """Every play worth more than it costs that an account may get: those of its risk level and driver.

    Args:
        candidates: accounts whose churn is preventable and that no holdout keeps from plays.
        house: hours, cost and assumed effect of every play.
        effects: measured effects by play; those that are tight enough stand before the assumed ones.
    """
    priced = {name: _priced(name, care, house.capacity, effects) for name, care in house.plays.items()}
    for one in candidates:
        for name, care in house.plays.items():
            if one.level not in care.levels or (care.drivers and one.driver not in care.drivers):
                continue
            cost, effect = priced[name]
            choice = Choice(
                account_id=one.account_id,
                owner=one.owner,
                level=one.level,
                play=name,
                hours=care.hours,
                cost=cost,
                probability=one.probability,
                stake=one.stake,
                effect=effect,
            )
            if choice.worth > 0:
                yield choice


def effect_of(name: str, care: Care, effects: Mapping[str, Figure]) -> tuple[Figure, bool]:
    """A play's effect, and whether it is the measured one.

    A measurement stands when its interval is no wider than the range that the house assumes: a few cases do not throw
    over what is thought of a play (systems X12). One that is below zero by its whole interval stands however wide it
    is: nobody plans a play that was seen to do harm.
    """
    found, assumed = effects.get(name), Figure(care.effect.base, None, care.effect.low, care.effect.high)
    if found is None or found.value is None or found.low is None or found.high is None:
        return assumed, False
    is_tight = found.high - found.low <= care.effect.high - care.effect.low
    return (found, True) if is_tight or found.high < 0 else (assumed, False)


def _priced(name: str, care: Care, capacity: Capacity, effects: Mapping[str, Figure]) -> tuple[float, Figure]:
    return care.cost + care.hours * capacity.hour_cost, effect_of(name, care, effects)[0]
