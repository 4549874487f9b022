"""What a decision rests on, kept apart: data, facts, assumptions, open questions (systems X6, X14); and its risks."""

from datetime import date
from typing import Literal

from retention.records.parts import Days, Part, Share, Text

Confidence = Literal["high", "medium", "low"]


class Input(Part):
    """Data that the decision rests on (systems X6). Empty `owner`, `verified_by` and `refresh_days` are findings."""

    name: Text
    source: Text
    unit: Text
    as_of: date | None = None
    coverage: Share | None = None
    owner: str = ""
    refresh_days: int | None = None
    verified_by: str = ""
    gaps: str = ""


class Fact(Part):
    """Something known, and where it can be looked up."""

    text: Text
    source: Text
    confidence: Confidence


class Assumption(Part):
    """Something taken for granted, who answers for it, and what follows if it is wrong."""

    text: Text
    owner: Text
    confidence: Confidence
    if_wrong: Text


class Question(Part):
    """Something not known yet, and who finds out by when."""

    text: Text
    owner: Text
    by: date


class Risk(Part):
    """What can go wrong, what is done against it, and how it is watched."""

    text: Text
    mitigation: Text
    monitoring: Text


class Checkpoint(Part):
    """Where a phased roll-out stops and looks."""

    after_days: Days
    expects: Text
    stop_if: Text
