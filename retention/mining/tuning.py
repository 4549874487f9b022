"""What alarms are worth: losses warned of, false alarms and cost, as rules are and at other thresholds (systems K4)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from retention.blocks import Block, Column, rows
from retention.figures import Figure, share
from retention.house import House
from retention.mining.snapshots import Array, Flags, Snapshots

WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """A rule's alarms over some rows; one that was on at the first of them counts as begun there.

    `precision` is the share of alarms that a loss's window fell into, `recall` the share of losses in whose window an
    alarm was on, `value` the yearly money of those losses (None where it is not known of any).
    """

    begun: int
    false: int
    weeks: float
    precision: Figure
    recall: Figure
    value: float | None

    def break_even(self, cost: float, margin: float) -> float | None:
        """Share of the value warned of that must be saved for a year's margin to pay for all alarms; None: unknown."""
        return None if not self.value else self.begun * cost / (self.value * margin)


def judged(snapshots: Snapshots, holds: Flags, within: Flags) -> Alarms:
    """The alarms of a rule over the rows `within`."""
    here = holds & within
    alarm = snapshots.alarms(here)
    begun = int(alarm.max()) + 1 if len(alarm) else 0
    true = len(np.unique(alarm[here & snapshots.churned]))
    caught, first = np.unique(snapshots.loss[here & snapshots.churned], return_index=True)
    worth = snapshots.value[here & snapshots.churned][first]
    return Alarms(
        begun=begun,
        false=begun - true,
        weeks=weeks(snapshots, within),
        precision=share(true, begun),
        recall=share(len(caught), len(snapshots.losses(within))),
        value=None if np.isnan(worth).all() else float(np.nansum(worth)),
    )


def weeks(snapshots: Snapshots, within: Flags) -> float:
    """Weeks that some rows stand for: from the first to the last moment, and one usual step more."""
    moments = np.unique(snapshots.moments[within])
    if len(moments) < 2:
        return 1.0
    step = np.median(np.diff(moments) / WEEK)
    return float((moments[-1] - moments[0]) / WEEK + step)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A rule at one threshold: `at` says which, `is_used` whether it is the one in use."""

    rule: str
    at: str
    is_used: bool
    alarms: Alarms


def block(trials: Iterable[Trial], house: House, over: str) -> Block:
    """Trials as a block; `over` says which snapshots they were judged on."""
    cost, margin, fewest = house.mining.alarm_cost, house.money.gross_margin, house.programme.fewest
    told = []
    for trial in trials:
        one = trial.alarms
        precision = one.precision if one.begun >= fewest else Figure(None, one.begun)
        told.append(
            (
                trial.rule,
                trial.at,
                trial.is_used,
                one.begun / one.weeks,
                one.false / one.weeks,
                precision,
                one.recall,
                one.begun * cost / one.weeks,
                one.value,
                one.break_even(cost, margin),
            )
        )
    return Block(
        id="tuning",
        title="Alarms at other thresholds",
        systems=("K4",),
        says=f"{over} An alarm lasts while the rule holds; one that was on at first counts as begun there. Precision: "
        "alarms that fell into the window of a loss. Recall: losses warned of. An alarm costs "
        f"{cost:g} to look into. Pays from: the share of the value warned of that has to be saved for a year for the "
        f"alarms to pay, at a margin of {100 * margin:.0f} %.",
        columns=(
            Column("rule", "Rule"),
            Column("at", "Threshold"),
            Column("used", "In use", "flag"),
            Column("alarms", "Alarms a week", "number"),
            Column("false", "False a week", "number"),
            Column("precision", "Precision", "share", has_interval=True),
            Column("recall", "Recall", "share", has_interval=True),
            Column("cost", "Cost a week", "money"),
            Column("value", "Value warned of", "money"),
            Column("pays", "Pays from", "share"),
        ),
        rows=rows(told),
    )


def below(snapshots: Snapshots, health: Array, within: Flags, used: Iterable[float]) -> list[Trial]:
    """Health below each ten points, and below the floors of the tiers in use, as if each were the boundary of alarm."""
    floors = {float(floor) for floor in used if floor > 0}
    return [
        Trial(
            rule="health",
            at=f"below {floor:g}",
            is_used=floor in floors,
            alarms=judged(snapshots, health < floor, within),
        )
        for floor in sorted({*np.arange(30.0, 91.0, 10.0).tolist(), *floors})
    ]
