"""The part of retention.toml that says a customer's way: stages, milestones, phases, and what is read of them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from retention.conditions import Condition, Row

Source = Literal["usage", "touchpoints", "feedback", "invoices", "interventions"]
Counted = Literal["rows", "users", "names", "days", "visits", "weeks"]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1)]
Business = Literal["b2b", "saas", "b2c"]


class Stage(Row):
    """A rule of the stage model: a customer is in the stage of the first rule that holds. The last has no condition."""

    name: str
    when: Condition | None = None


class Milestone(Row):
    """Something a customer reaches once: the moment at which so many different things had been counted.

    `names` are events of usage, kinds of touchpoints and feedback, states of invoices, plays of interventions; without
    any, every row counts. `counted`: rows, different users, names, days or visits; or weeks running (Monday to Sunday)
    in each of which `names_a_week` different names were used (without `names`, of the core events).
    """

    title: str
    source: Source = "usage"
    names: tuple[str, ...] = ()
    counted: Counted = "rows"
    at_least: int = Field(1, ge=1)
    names_a_week: int = Field(1, ge=1)
    score_from: float | None = None
    within_days: Days
    stuck_days: Days | None = None

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        if self.counted in ("names", "visits", "weeks") and self.source != "usage":
            raise ValueError(f"counted = {self.counted!r} is for usage, not for {self.source}")
        if self.counted == "users" and self.source not in ("usage", "feedback"):
            raise ValueError(f"{self.source} does not say which person it was; count rows")
        if self.score_from is not None and self.source != "feedback":
            raise ValueError("score_from is for feedback")
        return self


class Path(Row):
    """The steps to value in their order, and which milestones are the first value, activation and engagement.

    Setup ends with the step `setup_until`: who stays in a later one is not called stuck.
    """

    steps: tuple[str, ...] = Field(min_length=1)
    setup_until: str
    first_value: str
    activated: str
    engaged: str

    @property
    def named(self) -> tuple[str, ...]:
        """Every milestone the path speaks of."""
        return (*self.steps, self.first_value, self.activated, self.engaged)

    @model_validator(mode="after")
    def _setup_is_a_step(self) -> Self:
        if self.setup_until not in self.steps:
            raise ValueError(f"setup_until: {self.setup_until!r} is no step; the steps are {', '.join(self.steps)}")
        return self


class Item(Row):
    """An item of a phase's checklist, due so many days after the phase begins.

    With `milestone` it is done when that is reached, or when a person ticks it. With `when` it holds or lapses with
    the numbers. With neither a person ticks it; with `every_days` such a tick holds so long.
    """

    title: str
    due_day: Days
    milestone: str | None = None
    when: Condition | None = None
    every_days: Days | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.milestone, self.when, self.every_days)) > 1:
            raise ValueError("give one of milestone, when, every_days, or none of them")
        return self

    @property
    def by(self) -> Literal["data", "hand"]:
        """Who says that it is done."""
        return "data" if self.milestone or self.when else "hand"

    @property
    def stands(self) -> bool:
        """Whether it is to be kept up rather than reached once."""
        return self.when is not None or self.every_days is not None


class Phase(Row):
    """A phase of the customer's life with its checklist: by days as a customer, or before the renewal."""

    title: str
    business_models: tuple[Business, ...]
    from_day: Days | None = None
    until_day: Days | None = None
    before_renewal_days: Days | None = None
    touch_every_days: Days | None = None
    items: dict[str, Item]

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if (self.from_day is None) == (self.before_renewal_days is None):
            raise ValueError("give either from_day (and until_day) or before_renewal_days")
        return self


class Journey(Row):
    """Further numbers of the way."""

    core_events: tuple[str, ...]
    core_most_used: int = Field(ge=1)
    stuck_quantile: Share
    stuck_within_days: Days
    review_kinds: tuple[str, ...]
    review_every_days: Days
    no_touch_kinds: tuple[str, ...]
    touch_by_segment: dict[str, Days]
    activity_days: Days
    activity_rule: str
    low_line: Share
    champion_share: Share
    fewest_people: int = Field(ge=1)


class Expansion(Row):
    """Who is ready for more: the signal, and the gate of health and realised value (systems S7, A13, G4)."""

    seats_from: Share
    upgrade_events: tuple[str, ...]
    upgrade_days: Days
    gate: Condition


class Advocates(Row):
    """Who to ask for a reference or a referral."""

    weeks: int = Field(ge=4)
    level: Share
    most_variation: float = Field(gt=0)
    often: Share
    nps_from: float = Field(ge=0, le=10)
    review_from: float = Field(ge=1, le=5)


class Value(Row):
    """What a value report tells of an account (systems S12, D11)."""

    period_days: Days
    worth: dict[str, Annotated[float, Field(ge=0)]]


class Triggers(Row):
    """What starts a message: how long after signup, a silence or a win it is still worth one."""

    onboarding_days: Days
    win_days: Days
    win_events: tuple[str, ...]
    reward_plays: tuple[str, ...]


class HiddenRisk(Row):
    """What may be wrong with an account whose score is green."""

    title: str
    when: Condition


class Ways(Row):
    """All of the above, as House holds it."""

    stages: dict[Business, tuple[Stage, ...]]
    milestones: dict[str, Milestone]
    paths: dict[Business, Path]
    phases: dict[str, Phase]
    hidden_risks: dict[str, HiddenRisk]
    journey: Journey
    expansion: Expansion
    advocates: Advocates
    triggers: Triggers
    value: Value

    @model_validator(mode="after")
    def _stages_end(self) -> Self:
        for model, rules in self.stages.items():
            if [rule.when is None for rule in rules] != [False] * (len(rules) - 1) + [True]:
                raise ValueError(f"[stages] {model}: the last rule, and no other, is without a condition")
        return self

    @model_validator(mode="after")
    def _milestones_are_there(self) -> Self:
        named = [(f"[paths.{model}]", step) for model, path in self.paths.items() for step in path.named]
        named += [
            (f"[phases.{name}.items] {key}", item.milestone)
            for name, phase in self.phases.items()
            for key, item in phase.items.items()
            if item.milestone
        ]
        for where, milestone in named:
            if milestone not in self.milestones:
                raise ValueError(f"{where}: {milestone!r} is no milestone; there is {', '.join(self.milestones)}")
        return self

    @model_validator(mode="after")
    def _no_baselines(self) -> Self:
        asked = [item.when for phase in self.phases.values() for item in phase.items.values()]
        asked += [rule.when for rules in self.stages.values() for rule in rules]
        asked += [self.expansion.gate, *(risk.when for risk in self.hidden_risks.values())]
        for condition in asked:
            for test in (*condition.all, *condition.any) if condition else ():
                if test.relative_to_baseline:
                    raise ValueError(f"the test on {test.feature}: only warnings of policy.toml know the usual value")
        return self
