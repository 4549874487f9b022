"""What a policy.toml holds: tiers, plays, drivers, risk levels, warnings, cadence, renewal windows and alerts."""

from hashlib import sha256
from json import dumps
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from retention.conditions import Condition, Row
from serving.tiers import Tier, check_tiers

Severity = Literal["low", "medium", "high"]
Level = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
LEVELS: tuple[Level, ...] = ("high", "medium", "low")
Text = Annotated[str, Field(min_length=1)]
TEN_YEARS = 3650
Hours = Annotated[float, Field(gt=0, le=24 * TEN_YEARS)]
Days = Annotated[float, Field(gt=0, le=TEN_YEARS)]


class TierRule(Row):
    """A band of the health score, [floor, floor of the band above), and the response that it starts."""

    id: str
    label: Text
    floor: float
    colour: Text
    play: Text
    owner: Text
    sla_hours: Hours
    success_metric: Text

    @property
    def band(self) -> Tier:
        """The band alone, as `serving.tiers` knows it."""
        return Tier(self.id, self.floor, self.label, self.colour)


class Play(Row):
    """What to do, step by step, who does it, how soon, and by which figures it is judged."""

    id: str
    title: Text
    steps: tuple[Text, ...] = Field(min_length=1)
    owner: Text
    due_in_hours: Hours
    success_metrics: tuple[Text, ...] = Field(min_length=1)


class Driver(Row):
    """A row of the matrix driver x tactic: what makes customers leave, and who answers it how and when.

    A reason belongs to the first driver that names its feature (a `*` at the end stands for any ending), else its
    signal, else its component.
    """

    id: str
    title: Text
    tactic: Text
    play: Text
    timing: Literal["immediate", "weeks 1-12", "continuous", "pre-renewal"]
    owners: tuple[Text, ...] = Field(min_length=1)
    success_metrics: tuple[Text, ...] = Field(min_length=1)
    churn_type: Text
    features: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    components: tuple[str, ...] = ()


class ChurnType(Row):
    """A kind of churn and the strategy that prevents it. `when` claims it at once, whatever the drivers say."""

    id: str
    title: Text
    intent: Literal["voluntary", "involuntary"]
    strategy: Text
    play: Text
    when: Condition | None = None


class Input(Row):
    """A fact that no table holds and a person tells: a number in [at_least, at_most], or a date.

    It is a date where the name ends in `_days_ago`: rules read the days since then.
    """

    id: str
    text: Text
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_date(self) -> bool:
        """Whether it is told as a date, which ages by itself."""
        return self.id.endswith("_days_ago")


class Rise(Row):
    """From this value of the number that warned on, the warning has this severity."""

    at_least: float
    severity: Severity


class WarningRule(Row):
    """A warning sign and its response.

    `component` is the source of the signal. In `text`, `{what}`, `{value}`, `{usual}` and `{change}` (in percent) are
    those of the first test that held; `{name}` is the value of any feature, fact or input that the condition asks for.
    """

    id: str
    title: Text
    component: Literal["usage", "feedback", "support", "relationship", "commercial", "several"]
    severity: Severity
    when: Condition
    text: Text
    play: Text
    owner: Text
    due_in_hours: Hours
    rises: tuple[Rise, ...] = ()

    @model_validator(mode="after")
    def _text_can_be_filled(self) -> Self:
        known = {"what", "value", "usual", "change", *self.when.names}
        for _, name, how, cast in Formatter().parse(self.text):
            if name is not None and (name not in known or how or cast):
                raise ValueError(f"text: {{{name}}} cannot be filled in; use plain {', '.join(sorted(known))}")
        return self


class Case(Row):
    """One way into a risk level: holds when everything it names holds."""

    tier: tuple[str, ...] = ()
    value: Literal["high", "moderate"] | None = None
    usage: Literal["low", "falling"] | None = None
    renewal_within_days: Days | None = None
    strategic: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.tier or self.value or self.usage or self.renewal_within_days or self.strategic):
            raise ValueError("a case that names nothing holds for every account; name tier, value, usage or renewal")
        return self


class Treatment(Row):
    """How accounts of a risk level are looked after, and the cases that put an account there.

    Levels are tried high, medium, low; an account that fits no case has the last one.
    """

    id: Level
    play: Text
    owner: Text
    due_in_hours: Hours
    touch_every_days: Days
    look_every_days: Days
    escalate_to: Text
    sponsor: str | None = None
    success_metric: Text
    cases: tuple[Case, ...] = ()


class Value(Row):
    """When a yearly value counts as high or moderate: by rank in the book, or by money where that is given."""

    high_rank: float = Field(ge=0, le=1)
    moderate_rank: float = Field(ge=0, le=1)
    high_money: float | None = None
    moderate_money: float | None = None


class Disagreement(Row):
    """Which shares of the book, by churn probability, contradict the best and the worst tier."""

    riskiest_share: float = Field(gt=0, lt=1)
    safest_share: float = Field(gt=0, lt=1)


class Usage(Row):
    """When usage counts as low, and when as falling."""

    low: Condition
    falling: Condition


class Window(Row):
    """A time before renewal, [0, days], and what entering it starts.

    A term no longer than the window lies in it from its first day, which is no news: such terms are left out.
    """

    id: str
    days: Days
    play: Text
    owner: Text
    due_in_hours: Hours
    severity: Severity


class Business(Row):
    """How a business model is run: who leads, how often it is scored, and when data is too old.

    `owners` replaces roles (b2c: growth stands in for csm). `watch_tiers` are looked at every `watch_every_days`.
    `data_days` is the oldest that the newest row of a component may be.
    """

    id: Literal["b2b", "saas", "b2c"]
    score_every_days: Days
    watch_tiers: tuple[str, ...]
    watch_every_days: Days
    cohort_review_every_days: Days | None = None
    is_real_time: bool = False
    owners: dict[str, str] = Field(default_factory=dict)
    data_days: dict[str, float]


class AlertSettings(Row):
    """Which news becomes an alert, and how many a day.

    An alert that is due within `never_hold_hours` is sent whatever the budget is, and does not use it up.
    """

    kinds: tuple[Literal["tier_down", "tier_up", "score_drop", "warning", "renewal_window", "stale"], ...]
    score_drop_points: float = Field(gt=0, le=100)
    warning_from: Severity
    cool_down_days: float = Field(ge=0, le=TEN_YEARS)
    daily_budget: int = Field(ge=0)
    never_hold_hours: float = Field(ge=0)
    score_drop_play: Text
    stale_play: Text


class Policy(Row):
    """The rules of one company. Tables are keyed by the id that other tables refer to them by."""

    roles: dict[str, str]
    inputs: dict[str, Input]
    tiers: dict[str, TierRule]
    plays: dict[str, Play]
    drivers: dict[str, Driver]
    churn_types: dict[str, ChurnType]
    value: Value
    usage: Usage
    disagreement: Disagreement
    risk: dict[str, Treatment]
    warnings: dict[str, WarningRule]
    renewal: dict[str, Window]
    business: dict[str, Business]
    alerts: AlertSettings

    @model_validator(mode="before")
    @classmethod
    def _ids_are_the_table_names(cls, given: dict[str, Any]) -> dict[str, Any]:
        keyed = ("inputs", "tiers", "plays", "drivers", "churn_types", "risk", "warnings", "renewal", "business")
        return given | {
            section: {name: _named(name, _whole(section, row)) for name, row in given[section].items()}
            for section in keyed
            if section in given
        }

    @property
    def bands(self) -> tuple[Tier, ...]:
        """The tiers, best first."""
        return tuple(sorted((rule.band for rule in self.tiers.values()), key=lambda tier: -tier.floor))

    @property
    def digest(self) -> str:
        """SHA-256 of the content, the same whatever the order of tables and the comments."""
        content = self.model_dump(mode="json")
        return sha256(dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @model_validator(mode="after")
    def _tiers_cover_the_scale(self) -> Self:
        check_tiers(self.bands)
        return self


def _whole(section: str, row: Any) -> Any:
    """An input may be given as its text alone."""
    return {"text": row} if section == "inputs" and isinstance(row, str) else row


def _named(name: str, row: Any) -> Any:
    """A row with the id that its table's name is."""
    if not isinstance(row, dict):
        return row
    if row.get("id", name) != name:
        raise ValueError(f"the table {name} has id = {row['id']!r}; leave `id` out, the table's name is the id")
    return {**row, "id": name}
