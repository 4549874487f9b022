"""What the parts of a decision record are made of: texts that are not empty, and numbers with what they rest on."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from retention.figures import Figure

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0)]
Days = Annotated[int, Field(ge=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
Name = Literal["A", "B", "C"]
Scenario = Literal["low", "base", "high"]
OPTIONS: tuple[Name, ...] = ("A", "B", "C")
SCENARIOS: tuple[Scenario, ...] = ("low", "base", "high")


class Part(BaseModel):
    """A part of a record: immutable, and a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Number(Part):
    """A number with what it rests on (systems X12): measured over `n` cases, or assumed; never without its range."""

    low: float
    base: float
    high: float
    n: int | None = None
    basis: Literal["measured", "assumed"]
    source: Text

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.base <= self.high:
            raise ValueError(f"low <= base <= high; got {self.low}, {self.base}, {self.high}")
        return self

    @property
    def confidence(self) -> str:
        """high, medium or low by its interval; what is assumed has none."""
        return "assumed" if self.basis == "assumed" else Figure(self.base, self.n, self.low, self.high).confidence

    def times(self, factor: float) -> Self:
        """The number scaled in every scenario."""
        return self.model_copy(update={name: getattr(self, name) * factor for name in SCENARIOS})
