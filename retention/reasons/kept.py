"""What was kept of the time before each loss: scores, signals and plays within the look-back days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retention.inputs import Inputs
from retention.reasons.traces import title

Key = tuple[str, datetime]
"""An account and the moment it was lost."""
SCORED = ("health_score", "tier", "churn_probability", "driver", "top_driver_1")


@dataclass(frozen=True)
class Scored:
    """A kept score before the loss."""

    at: datetime
    days_before: int
    health: float | None
    tier: str | None
    churn_probability: float | None
    driver: str | None
    because: str | None


@dataclass(frozen=True)
class Signal:
    """A warning or trace: `seen_at` its first sight in the look-back days; `answered_by` the first play after it."""

    name: str
    title: str
    seen_at: datetime
    days_before: int
    answered_by: str | None
    answered_after_days: int | None


@dataclass(frozen=True)
class Tried:
    """A play that was carried out, or held out, before the loss."""

    at: datetime
    days_before: int
    play: str
    owner: str | None
    arm: str
    outcome: str | None


def answered(name: str, told: str, seen_at: datetime, lost_at: datetime, tried: Sequence[Tried]) -> Signal:
    """A signal with the first play carried out after it and before the loss."""
    after = next((play for play in tried if play.at >= seen_at and play.arm == "treated"), None)
    waited = None if after is None else (after.at - seen_at).days
    return Signal(name, told, seen_at, (lost_at - seen_at).days, after.play if after else None, waited)


def seen(inputs: Inputs) -> Mapping[Key, list[tuple[str, str, datetime]]]:
    """What was seen before each loss, the first first: trace, in words, when. Kept warnings have their own words."""
    found: dict[Key, list[tuple[str, str, datetime]]] = {}
    rows = inputs.engine.query(
        """SELECT t.account_id, t.at, t.trace, t.seen_at, MIN(s.text) AS text
           FROM loss_traces t LEFT JOIN sign_history s
                ON s.account_id = t.account_id AND s.at = t.seen_at AND 'warning ' || s.rule = t.trace
           GROUP BY t.account_id, t.at, t.trace, t.seen_at ORDER BY t.seen_at, t.trace"""
    ).to_pylist()
    for row in rows:
        told = title(row["trace"]) if row["text"] is None else f"{row['trace']}: {row['text']}"
        found.setdefault((row["account_id"], row["at"]), []).append((row["trace"], told, row["seen_at"]))
    return found


def scores(inputs: Inputs) -> Mapping[Key, list[Scored]]:
    """The kept scores before each loss, oldest first."""
    columns = "s.as_of, s.health_score, s.tier, s.churn_probability, s.driver, s.top_driver_1"
    found: dict[Key, list[Scored]] = {}
    for row in _before(inputs, columns, "score_history", "s.as_of"):
        days = (row["lost_at"] - row["as_of"]).days
        scored = Scored(row["as_of"], days, *(row[name] for name in SCORED))
        found.setdefault((row["account_id"], row["lost_at"]), []).append(scored)
    return found


def plays(inputs: Inputs) -> Mapping[Key, list[Tried]]:
    """The plays before each loss, oldest first."""
    found: dict[Key, list[Tried]] = {}
    for row in _before(inputs, "s.at, s.play, s.owner, s.arm, s.outcome", "known_interventions", "s.at"):
        days = (row["lost_at"] - row["at"]).days
        tried = Tried(row["at"], days, row["play"], row["owner"], row["arm"], row["outcome"])
        found.setdefault((row["account_id"], row["lost_at"]), []).append(tried)
    return found


def _before(inputs: Inputs, columns: str, table: str, clock: str) -> list[dict[str, Any]]:
    """Rows of a table within the look-back days before each loss, oldest first."""
    back = f"INTERVAL {inputs.house.reasons.look_back_days} DAY"
    rows_: list[dict[str, Any]] = inputs.engine.query(
        f"""SELECT e.account_id, e.at AS lost_at, {columns} FROM churn_events e
            JOIN {table} s ON s.account_id = e.account_id AND {clock} < e.at AND {clock} >= e.at - {back}
            ORDER BY {clock}"""
    ).to_pylist()
    return rows_
