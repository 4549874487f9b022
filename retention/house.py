"""retention.toml: the company's targets, costs and ways, over the shipped ones. Read once and passed down."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from features.errors import SourceError
from features.overriding import overlay, read_toml
from retention.errors import RetentionError
from retention.journey.ways import Ways
from retention.metrics import METRICS
from retention.sections import (
    Capacity,
    Care,
    Cause,
    Goal,
    Masking,
    Mining,
    Money,
    Pilot,
    Programme,
    Reasons,
    Records,
    TargetSet,
    Theme,
)

DEFAULT = "default.toml"


class House(Ways):
    """A whole retention.toml."""

    money: Money
    targets: dict[str, TargetSet]
    goals: dict[str, Goal]
    pilots: dict[str, Pilot]
    metric_sets: dict[str, dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]]
    masking: Masking
    programme: Programme
    capacity: Capacity
    plays: dict[str, Care]
    records: Records
    themes: dict[str, Theme]
    reasons: Reasons
    causes: dict[str, Cause]
    mining: Mining

    @model_validator(mode="after")
    def _target_set_is_there(self) -> "House":
        if self.money.target_set not in self.targets:
            raise ValueError(f"[money] target_set: {self.money.target_set!r} is none of {', '.join(self.targets)}")
        return self

    @model_validator(mode="after")
    def _metrics_are_there(self) -> "House":
        named = [
            (f"[metric_sets.{model}]", m) for model, one in self.metric_sets.items() for ms in one.values() for m in ms
        ]
        for where, name in (*named, *((f"[goals.{key}]", goal.metric) for key, goal in self.goals.items())):
            if name not in METRICS:
                raise ValueError(f"{where}: {name!r} is no metric; there is {', '.join(METRICS)}")
        return self

    @model_validator(mode="after")
    def _treatments_are_there(self) -> "House":
        for level, play in self.capacity.treatment.items():
            if play not in self.plays or level not in self.plays[play].levels:
                raise ValueError(f"[capacity] treatment: {level} = {play!r} is no play for that level under [plays]")
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
