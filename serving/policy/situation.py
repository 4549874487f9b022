"""Everything that is known about one account at one run: what the rules of a policy read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from serving.reasons import Reason

FACTS = MappingProxyType(
    {
        "health_score": "health score, 0 to 100, higher is safer",
        "health_change": "health score now minus the one of the run before, in points",
        "churn_probability": "calibrated probability of churn, 0 to 1",
        "yearly_value": "money a year at the present rate",
        "value_rank": "share of the book with a smaller yearly value, 0 to 1",
        "value_at_risk": "churn probability x yearly value, money a year",
        "days_to_renewal": "days until the contract renews",
        "inactive": "silent beyond the threshold of its segment (1) or not (0)",
        "warning_components": "number of components that warn by their own rules",
    }
)
"""Names, besides features and the policy's inputs, that a condition may test."""


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The same account at the run before; None stands for what was not known then.

    `warnings` maps the rules that warned to their severity.
    """

    as_of: datetime
    health: float | None = None
    tier: str | None = None
    churn_probability: float | None = None
    days_to_renewal: float | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One account at one run. None stands for unknown, never for zero.

    Attributes:
        account_id: the company's own id.
        as_of: the moment the facts are about, naive UTC. Deadlines count from it, so that a repeated run says the same.
        business_model: b2b, saas or b2c; chooses cadence and owners.
        segment: as mapped, if at all.
        owner: the person in charge of the account, if mapped.
        health: in [0, 100], higher is safer.
        tier: name of the band that `health` lies in.
        churn_probability: calibrated, in [0, 1].
        yearly_value: money a year at the present rate.
        value_rank: share of the scored book with a smaller yearly value, in [0, 1).
        value_at_risk: churn probability x yearly value.
        days_to_renewal: days until the current term renews, below 0 when that day has passed.
        inactive: silent beyond its segment's threshold; a warning, not churn.
        features: value by feature name. A name that is not there does not exist for this company.
        baseline: the account's own usual value by feature name.
        inputs: what a person told, by the names under `[inputs]` of the policy.
        reasons: why the score is what it is, strongest first.
        data_as_of: newest row known by component; None where its sources are not mapped.
        previous: the run before, None at the first.
    """

    account_id: str
    as_of: datetime
    business_model: str = "saas"
    segment: str | None = None
    owner: str | None = None
    health: float | None = None
    tier: str | None = None
    churn_probability: float | None = None
    yearly_value: float | None = None
    value_rank: float | None = None
    value_at_risk: float | None = None
    days_to_renewal: float | None = None
    inactive: bool | None = None
    features: Mapping[str, float | None] = field(default_factory=dict)
    baseline: Mapping[str, float | None] = field(default_factory=dict)
    inputs: Mapping[str, float | None] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    data_as_of: Mapping[str, datetime | None] = field(default_factory=dict)
    previous: Previous | None = None

    @property
    def health_change(self) -> float | None:
        """Points of health since the run before; None when either is unknown."""
        before = self.previous.health if self.previous else None
        return None if self.health is None or before is None else self.health - before


def exists(situation: Situation, name: str) -> bool:
    """Whether a condition on this name can be asked of this company at all."""
    return name in situation.features or name in FACTS or name in situation.inputs


def value_of(situation: Situation, name: str, counted: Mapping[str, float]) -> float | None:
    """The value of a fact, a feature or an input; None when unknown.

    `counted` holds facts that are counted while the rules are read (`warning_components`).
    """
    if name in counted:
        return counted[name]
    if name == "health_score":
        return situation.health
    if name in FACTS:
        known = getattr(situation, name, None)
        return None if known is None else float(known)
    return situation.features.get(name, situation.inputs.get(name))
