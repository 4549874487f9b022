"""retention.toml: the company's targets, costs and ways, over the shipped ones. Read once and passed down."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import SourceError
from features.overriding import overlay, read_toml
from retention.errors import RetentionError

DEFAULT = "default.toml"
Share = Annotated[float, Field(ge=0, le=1)]


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


class Programme(Section):
    """How plays are measured."""

    holdout_share: float = Field(ge=0, lt=1)
    outcome_days: int = Field(ge=1)
    fewest: int = Field(ge=1)
    natural_save_rate: Share | None = None
    overhead: float = Field(ge=0)


class House(Section):
    """A whole retention.toml."""

    money: Money
    targets: dict[str, TargetSet]
    programme: Programme

    @model_validator(mode="after")
    def _target_set_is_there(self) -> "House":
        if self.money.target_set not in self.targets:
            raise ValueError(f"[money] target_set: {self.money.target_set!r} is none of {', '.join(self.targets)}")
        return self


def load(path: Path | None = None) -> House:
    """The shipped rules, or those that result when a company's own file replaces parts of them.

    Raises:
        RetentionError: the file is missing or not TOML, or a value is not allowed.
    """
    shipped = tomllib.loads((files("retention") / DEFAULT).read_text(encoding="utf-8"))
    where = DEFAULT if path is None else str(path)
    try:
        return House.model_validate(overlay(shipped, {} if path is None else read_toml(path), where))
    except SourceError as error:
        raise RetentionError(str(error)) from error
    except ValidationError as error:
        wrong = "\n".join(f"  [{'.'.join(map(str, e['loc'])) or 'the file'}]: {e['msg']}" for e in error.errors())
        raise RetentionError(f"{where} is not valid:\n{wrong}") from error
