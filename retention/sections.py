"""The tables of retention.toml, a class each; `retention/house.py` puts them together."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from retention.effects.holdout import check_rule

Share = Annotated[float, Field(ge=0, le=1)]
Level = Literal["high", "medium", "low"]


class Section(BaseModel):
    """A table of retention.toml: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Money(Section):
    """What a customer is worth and costs."""

    gross_margin: Share
    acquisition_cost_times: float = Field(gt=0)
    target_set: str


class Bound(Section):
    """A target: the metric shall be below or above a number."""

    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Bound":
        if (self.below is None) == (self.above is None):
            raise ValueError("give either `below` or `above`")
        return self

    def is_met(self, value: float | None) -> bool | None:
        """Whether a value keeps the target; None where the value is not known."""
        if value is None:
            return None
        return value < self.below if self.below is not None else value > (self.above or 0.0)


class TargetSet(BaseModel):
    """Named targets by metric (systems R2-R5, S14; contradiction 2 of systems section 13: both sets ship)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Bound]

    title: str

    @property
    def bounds(self) -> dict[str, Bound]:
        """The bounds by metric, in the file's order."""
        return dict(self.__pydantic_extra__ or {})


class Goal(Section):
    """A change that somebody set out to reach: of a metric, by `change` of what it was at the end of `month`."""

    title: str
    metric: str
    month: date
    change: float
    until: date


class Pilot(Section):
    """A segment, or a list of accounts, that something was tried with from a day on."""

    title: str
    segment: str | None = None
    accounts: tuple[str, ...] = ()
    from_day: date

    @model_validator(mode="after")
    def _one_group(self) -> "Pilot":
        if (self.segment is None) == (not self.accounts):
            raise ValueError("give either `segment` or `accounts`")
        return self


class Masking(Section):
    """When a high retention rate hides something (systems G9): what is high, and what beside it is low."""

    retention: Share
    nrr: float = Field(gt=0)
    green: Share


class Programme(Section):
    """How plays are measured."""

    holdout_share: float = Field(ge=0, lt=1)
    never_hold_out: tuple[Annotated[str, AfterValidator(check_rule)], ...]
    outcome_days: int = Field(ge=1)
    fewest: int = Field(ge=1)
    fewest_to_judge: int = Field(ge=2)
    natural_save_rate: Share | None = None
    saved_years: float = Field(gt=0)
    overhead: float = Field(ge=0)
    offers: tuple[str, ...]
    proactive_share: Share
    reactive_days: float = Field(ge=0)
    uplift_cases: int = Field(ge=20)
    uplift_losses: int = Field(ge=5)


class Theme(Section):
    """What customers write about: a text is about it when it holds one of the words, in any case."""

    title: str
    words: tuple[str, ...] = Field(min_length=1)


class Told(Section):
    """How a cause is recognised: by words in what persons wrote, drivers of the policy, and traces in the tables."""

    title: str
    words: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()


class SubCause(Told):
    """A cause in particular, whether it could have been prevented, and the layer that would have (systems R22)."""

    layer: Literal["foundation", "engagement", "intervention", "residual"]
    preventable: bool = True
    is_expectation: bool = False
    """Whether a promise made at the sale was not kept (systems P12)."""


class Cause(Told):
    """A root cause of churn with its sub-causes (systems T4); its own words are those that name no sub-cause."""

    sub: dict[str, SubCause] = Field(min_length=1)


class Reasons(Section):
    """How losses are looked into; days are counted back from a loss, or from the moment of the report."""

    period_days: int = Field(ge=28)
    recent_days: int = Field(ge=7)
    look_back_days: int = Field(ge=28)
    passive_days: int = Field(ge=1)
    early_days: int = Field(ge=28)
    tickets: int = Field(ge=2)
    chance: float = Field(gt=0, lt=1)
    sale_attributes: tuple[str, ...] = ()


class Assumed(Section):
    """A number that nobody measured: what is assumed, and the range within which it may lie."""

    low: float
    base: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> "Assumed":
        if not self.low <= self.base <= self.high:
            raise ValueError(f"low <= base <= high; got {self.low}, {self.base}, {self.high}")
        return self


class Care(Section):
    """What a play takes and prevents: `hours` of the owner's time, `cost` besides, `effect` as a share of churn.

    `recorded_as` are other names under which the company's own table of plays has it.
    """

    levels: tuple[Level, ...] = Field(min_length=1)
    drivers: tuple[str, ...] = ()
    recorded_as: tuple[str, ...] = ()
    hours: float = Field(gt=0)
    cost: float = Field(0.0, ge=0)
    effect: Assumed


class Capacity(Section):
    """Who can do how much in `days` days, and how the hours are meant to be split by risk level."""

    days: int = Field(ge=1)
    hours: float = Field(ge=0)
    owners: dict[str, Annotated[float, Field(ge=0)]]
    split: dict[Level, Share]
    leeway: Share
    treatment: dict[Level, str]
    not_preventable: tuple[str, ...]
    hour_cost: float = Field(ge=0)

    @model_validator(mode="after")
    def _whole(self) -> "Capacity":
        if len(self.split) != 3 or len(self.treatment) != 3:
            raise ValueError("split and treatment name high, medium and low")
        if abs(sum(self.split.values()) - 1) > 1e-9:
            raise ValueError(f"the split's shares sum to {sum(self.split.values()):g}; make it 1")
        return self


class Records(Section):
    """What a new decision record begins with: horizon, review rhythm, and how likely its scenarios are."""

    horizon_days: int = Field(ge=1)
    initial_days: int = Field(ge=1)
    operating_every_days: int = Field(ge=1)
    freshness_days: int = Field(ge=1)
    criterion: Literal["expected_value", "regret"]
    likelihood: dict[Literal["low", "base", "high"], Share]


class Mining(Section):
    """When a rule mined from history is good enough to warn by, and what an alarm costs."""

    least_lift: float = Field(gt=1)
    least_lead_days: float = Field(ge=0)
    least_coverage: Share
    least_together: Share
    chance: float = Field(gt=0, lt=1)
    alarm_cost: float = Field(ge=0)
