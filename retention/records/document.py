"""What a decision record holds: Frame, Compare, Commit (systems X1), every field typed and none of them empty."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from retention.errors import RetentionError
from retention.metrics import METRICS
from retention.records.evidence import Assumption, Checkpoint, Fact, Input, Question, Risk
from retention.records.parts import OPTIONS, Days, Money, Name, Number, Part, Share, Text, Texts
from retention.records.signals import read as read_signal


class Frame(Part):
    """What is decided, by whom, until when, and by which metrics it is judged; `metric_owners` name who answers."""

    question: Text
    background: Text
    objective: Text
    scope: Text
    owner: Text
    horizon_days: Days
    metrics: Texts
    metric_owners: dict[str, Text]

    @model_validator(mode="after")
    def _metrics_are_owned(self) -> Self:
        if unknown := [name for name in self.metrics if name not in METRICS]:
            raise ValueError(f"no such metric: {', '.join(unknown)}; the metrics are {', '.join(METRICS)}")
        if missing := [name for name in self.metrics if name not in self.metric_owners]:
            raise ValueError(f"metric_owners: nobody owns {', '.join(missing)}")
        return self


class Option(Part):
    """A way to go.

    `accounts` are treated; of their churn `effect` is prevented; `lasting` is the share of those saved who are still
    there a year on; `discount` is the share of their yearly money that all who are treated are let off.
    """

    title: Text
    what: Text
    accounts: Annotated[float, Field(ge=0)]
    effect: Number
    lasting: Share = 1.0
    discount: Share = 0.0
    cost: Money = 0.0
    cost_per_account: Money = 0.0
    risks: Annotated[tuple[Risk, ...], Field(min_length=1)]
    checkpoints: tuple[Checkpoint, ...] = ()

    @model_validator(mode="after")
    def _effect_is_a_share(self) -> Self:
        if self.effect.low < -1 or self.effect.high > 1:
            raise ValueError("effect is the share of churn that is prevented: within -1 and 1")
        return self


class Compare(Part):
    """The options, and what they are compared by; `churn` and `value` (a year) are those of an account in scope."""

    trade_offs: Text
    constraints: Texts
    dependencies: Texts
    inputs: Annotated[tuple[Input, ...], Field(min_length=1)]
    facts: Annotated[tuple[Fact, ...], Field(min_length=1)]
    assumptions: Annotated[tuple[Assumption, ...], Field(min_length=1)]
    questions: tuple[Question, ...]
    churn: Number
    value: Number
    gross_margin: Share
    options: dict[Name, Option]

    @field_validator("options")
    @classmethod
    def _in_one_order(cls, options: dict[Name, Option]) -> dict[Name, Option]:
        return {name: options[name] for name in sorted(options)}

    @model_validator(mode="after")
    def _is_a_real_choice(self) -> Self:
        if tuple(self.options) != OPTIONS:
            raise ValueError("options are A (hold), B (phased) and C (full change)")
        alike = {option.title.lower() for option in self.options.values()}
        held = [(o.accounts, o.effect, o.cost, o.cost_per_account, o.discount) for o in self.options.values()]
        if len(alike) < 3 or held[1] == held[0] or held[2] == held[0] or held[1] == held[2]:
            raise ValueError("there is no real choice: two options are the same; do not use a record for that")
        if not self.options["B"].checkpoints:
            raise ValueError("options.B: a phased roll-out has checkpoints; name at least one")
        if not 0 <= self.churn.low <= self.churn.high <= 1 or self.value.low < 0:
            raise ValueError("churn is a share of accounts within 0 and 1, value is money and not negative")
        return self


class Reviews(Part):
    """When the record is looked at again, in days after the decision; fixed with it (systems X2)."""

    initial_days: Days
    operating_every_days: Days
    post_days: Days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.initial_days < self.post_days:
            raise ValueError("the initial review comes before the post-review")
        return self


class Likelihood(Part):
    """How likely each scenario is held to be."""

    low: Share
    base: Share
    high: Share

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.low + self.base + self.high - 1) > 1e-9:
            raise ValueError(f"the scenarios' likelihoods sum to {self.low + self.base + self.high:g}; make it 1")
        return self


class Commit(Part):
    """The path chosen, and what would make it the wrong one.

    `criterion`: `expected_value` takes the option of the highest expected net value, `regret` the one whose greatest
    regret over the scenarios is least. `selected` may differ from what the criterion says; `because` then says why.
    """

    criterion: Literal["expected_value", "regret"]
    likelihood: Likelihood
    selected: Name
    because: str = ""
    reviews: Reviews
    reversal_signals: Texts
    signal_owner: Text
    stop_rules: Texts
    monitoring: Text
    escalation: Texts
    approvals: Texts
    freshness_days: Days
    expires_when: Texts

    @model_validator(mode="after")
    def _signals_can_be_read(self) -> Self:
        for signal in self.reversal_signals:
            try:
                read_signal(signal)
            except RetentionError as error:
                raise ValueError(str(error)) from error
        return self


class Document(Part):
    """A whole decision record as people write it."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    title: Text
    frame: Frame
    compare: Compare
    commit: Commit


def read(given: object, where: str) -> Document:
    """A record from the content of a file or a stored version.

    Raises:
        RetentionError: something is missing, empty or not allowed: no owner, no horizon, no evidence, no real choice.
    """
    try:
        return Document.model_validate(given)
    except ValidationError as error:
        faults = {e["loc"]: WORDS.get(e["type"], e["msg"]) for e in error.errors()}
        inner = {loc[:depth] for loc in faults for depth in range(len(loc))}
        told = [
            f"  [{'.'.join(map(str, loc)) or 'record'}]: {what}" for loc, what in faults.items() if loc not in inner
        ]
        raise RetentionError("\n".join([f"{where} is no decision record yet:", *told])) from error


WORDS = {
    "string_too_short": "is empty; fill it in",
    "too_short": "is empty; name at least one",
    "missing": "is missing",
    "string_pattern_mismatch": "small letters, digits and dashes, such as 2025-q3-save-offers",
}
"""Faults as people call them, by pydantic's types of them."""
