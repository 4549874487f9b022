"""A condition: a list of tests on the numbers known about one account. There is no expression language."""

from collections.abc import Mapping
from functools import cached_property
from math import inf
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Row(BaseModel):
    """A table of policy.toml or retention.toml: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Test(Row):
    """One test on one number; every bound that is given must hold.

    `above` is >, `at_least` is >=, `below` is <, `at_most` is <=. With `relative_to_baseline` the bounds are on
    value / the account's own usual value, so that `below = 0.7` means a fall by more than 30 %. A number that is
    unknown fails every test but `is_missing`.
    """

    __test__ = False

    feature: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    is_missing: bool = False
    relative_to_baseline: bool = False

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        bounds = (self.above, self.at_least, self.below, self.at_most)
        if self.is_missing == any(bound is not None for bound in bounds):
            raise ValueError(
                f"the test on {self.feature} needs at least one of above, at_least, below, at_most, or is_missing alone"
            )
        low = max(bound for bound in (-inf, self.above, self.at_least) if bound is not None)
        high = min(bound for bound in (inf, self.below, self.at_most) if bound is not None)
        if low > high or (low == high and (low == self.above or high == self.below)):
            raise ValueError(f"no value of {self.feature} passes: nothing lies between {low:g} and {high:g}")
        return self

    def holds(self, value: float | None) -> bool:
        """Whether a number (already divided by the baseline, where asked) passes."""
        if value is None or self.is_missing:
            return value is None and self.is_missing
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


class Condition(Row):
    """Holds when all of `all` hold and, where `any` is given, at least one of it does."""

    all: tuple[Test, ...] = ()
    any: tuple[Test, ...] = ()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.all or self.any):
            raise ValueError("give `all` or `any`, a list of tests such as { feature = ..., below = ... }")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name that a test asks for, each once."""
        return tuple(dict.fromkeys(test.feature for test in (*self.all, *self.any)))

    def holds(self, numbers: Mapping[str, float | None]) -> bool:
        """Whether it holds of numbers by name; one that is not there is not known. Baselines are not asked."""
        chosen = not self.any or any(test.holds(numbers.get(test.feature)) for test in self.any)
        return chosen and all(test.holds(numbers.get(test.feature)) for test in self.all)
