"""Reversal signals: predicates over live metrics, such as `grr < 93 % for 2 reports` (systems X9).

    METRIC (< | <= | > | >=) NUMBER [%] [for N reports]

Nothing else is understood: a signal is read, never executed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

from retention.errors import RetentionError
from retention.metrics import metric

COMPARISONS = {"<": lt, "<=": le, ">": gt, ">=": ge}
GRAMMAR = re.compile(
    r"\s*([a-z_]+)\s*(<=|>=|<|>)\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*(%?)(?:\s+for\s+(\d{1,3})\s+reports?)?\s*"
)
FORM = "METRIC < NUMBER, such as `grr < 93 % for 2 reports`; comparisons are <, <=, > and >="


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A metric beyond a bound, in so many reports in a row."""

    text: str
    metric: str
    comparison: str
    bound: float
    times: int

    def holds(self, value: float | None) -> bool:
        """Whether a value is beyond the bound; what is not known is not."""
        return value is not None and COMPARISONS[self.comparison](value, self.bound)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one kept report says: its figures and the digests of their definitions, as they stand in its JSON."""

    as_of: datetime
    figures: Mapping[str, Mapping[str, Any]]
    definitions: Mapping[str, str]

    def value(self, name: str) -> float | None:
        """A metric's value; None where it was not measured."""
        found = self.figures.get(name, {}).get("value")
        return None if found is None else float(found)


@dataclass(frozen=True, kw_only=True)
class Tripped:
    """A signal that fired, and the values that made it, oldest first."""

    signal: Signal
    values: tuple[tuple[datetime, float], ...]

    @property
    def text(self) -> str:
        """What happened, in words."""
        told = ", ".join(f"{value:g} on {as_of:%Y-%m-%d}" for as_of, value in self.values)
        return f"{self.signal.text}: {told}"


def read(text: str) -> Signal:
    """A signal from its words.

    >>> read("nps < 20"), read("logo_churn >= 3.5 % for 2 reports").bound
    (Signal(text='nps < 20', metric='nps', comparison='<', bound=20.0, times=1), 0.035)

    Raises:
        RetentionError: it is no such predicate, or names no metric.
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise RetentionError(f"reversal signal {text!r} cannot be checked by a machine; write {FORM}")
    name, comparison, number, percent, times = found.groups()
    bound = float(number) / 100 if percent else float(number)
    if times is not None and int(times) < 1:
        raise RetentionError(f"reversal signal {text!r}: it takes at least 1 report")
    known = metric(name).name
    return Signal(text=text.strip(), metric=known, comparison=comparison, bound=bound, times=int(times or 1))


def tripped(signals: Sequence[Signal], reports: Sequence[Measurement], locked: Mapping[str, str]) -> list[Tripped]:
    """The signals that hold in each of their last reports.

    A report in which the metric was not measured, or was measured by another definition than the locked one, breaks
    the row.

    Args:
        signals: of a record.
        reports: those since the record was last looked at, oldest first.
        locked: digests of the definitions that were in force when it was decided.
    """
    found = []
    for signal in signals:
        last = reports[-signal.times :]
        told = [
            (report.as_of, report.value(signal.metric)) for report in last if _is_comparable(signal, report, locked)
        ]
        values = tuple((as_of, value) for as_of, value in told if value is not None and signal.holds(value))
        if len(values) == signal.times:
            found.append(Tripped(signal=signal, values=values))
    return found


def _is_comparable(signal: Signal, report: Measurement, locked: Mapping[str, str]) -> bool:
    return report.definitions.get(signal.metric) == locked.get(signal.metric)
