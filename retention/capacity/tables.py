"""The tables of the plan: what it is worth, what is at stake, who has too much to do, and hours by level."""

import numpy as np

from retention.blocks import Block, Chart, Column, Value, rows
from retention.capacity.choices import LEVELS
from retention.capacity.compare import total
from retention.capacity.plan import Plan
from retention.figures import Figure, mean
from retention.inputs import Inputs


def value(made: Plan, notes: tuple[str, ...]) -> Block:
    """What the plan is worth beside other ways of choosing."""
    gap = max(one.gap for one in made.owners)
    proven = "the best possible, proven" if gap == 0 else f"at most {gap:.2%} below the best possible"
    told = (("This plan", made.value), ("The likeliest to churn first", made.by_risk), ("At random", made.at_random))
    return Block(
        id="value",
        title="What the plan is worth",
        systems=("P10", "G10", "T3"),
        says="Expected churn prevented (effect x probability x a year's margin) minus cost, within the same hours and "
        f"the same limits a level. This plan is {proven}. Intervals are those of the plays' effects, all erring the "
        "same way; at random, of 200 draws.",
        columns=(
            Column("way", "Chosen"),
            Column("value", "Expected value", "money", has_interval=True),
            Column("times", "This plan is worth, times", "number"),
        ),
        rows=rows((way, value, _times(made.value, value)) for way, value in told),
        notes=notes,
    )


def _times(of: Figure, other: Figure) -> float | None:
    return of.value / other.value if of.value is not None and other.value else None


def stakes(made: Plan) -> Block:
    """What may be lost at each risk level."""
    told = []
    for level in LEVELS:
        held = [one for owner in made.owners for one in owner.accounts if one.level == level]
        churn, value = (mean(np.array([getattr(one, name) for one in held])) for name in ("probability", "value"))
        told.append((level, len(held), churn, value, sum(one.stake for one in held)))
    return Block(
        id="stakes",
        title="What is at stake",
        systems=("P7", "P8", "P9", "X20"),
        says="The accounts that may get a play: how many are expected to churn within the programme's outcome days "
        "without one, what an account is worth a year, and the margin that churn is expected to cost.",
        columns=(
            Column("level", "Risk"),
            Column("accounts", "Accounts", "count"),
            Column("churn", "Churn", "share", has_interval=True),
            Column("value", "Money a year, each", "money", has_interval=True),
            Column("stake", "Margin at stake", "money"),
        ),
        rows=rows(told),
    )


def load(made: Plan, inputs: Inputs) -> Block:
    """Hours wanted against hours there are, the most overloaded first."""
    days = inputs.house.capacity.days
    overloaded = [one.owner for one in made.owners if one.is_overloaded]
    return Block(
        id="load",
        title="Who has too much to do",
        systems=("P7", "P8", "P9", "P10"),
        says=f"Hours that the standard treatment of every account would take in {days} days, against the hours there "
        "are. The last column is what one hour more would bring.",
        columns=(
            Column("owner", "Owner"),
            Column("accounts", "Accounts", "count"),
            Column("wanted", "Hours wanted", "hours"),
            Column("hours", "Hours there are", "hours"),
            Column("load", "Load", "share"),
            Column("is_overloaded", "Overloaded", "flag"),
            Column("hour_is_worth", "One hour more brings", "money"),
        ),
        rows=rows(
            (
                one.owner,
                len(one.accounts),
                one.wanted,
                one.hours,
                one.wanted / one.hours if one.hours else None,
                one.is_overloaded,
                one.hour_is_worth,
            )
            for one in sorted(made.owners, key=lambda one: one.hours - one.wanted)
        ),
        chart=Chart("bar", "owner", ("wanted", "hours")),
        notes=(f"{len(overloaded)} of {len(made.owners)} owners are overloaded.",) if overloaded else (),
    )


def hours(made: Plan, inputs: Inputs) -> Block:
    """Hours planned by owner and level."""
    split = inputs.house.capacity.split
    told: list[tuple[Value, ...]] = []
    for one in made.owners:
        for level in LEVELS:
            chosen = [choice for choice in one.chosen if choice.level == level]
            spent = sum(choice.hours for choice in chosen)
            share, whole = (spent / one.hours if one.hours else None), [a for a in one.accounts if a.level == level]
            told.append((one.owner, level, len(whole), len(chosen), spent, share, split[level], total(chosen)))
    return Block(
        id="hours",
        title="Hours by owner and risk level",
        systems=("P10",),
        says="The hours planned for each owner's accounts of high, medium and low risk, as a share of the owner's "
        "hours, beside the share that the level is meant to get. Hours that a level cannot use go to the others.",
        columns=(
            Column("owner", "Owner"),
            Column("level", "Risk"),
            Column("accounts", "Accounts", "count"),
            Column("treated", "Get a play", "count"),
            Column("hours", "Hours", "hours"),
            Column("share", "Of the hours", "share"),
            Column("meant", "Meant", "share"),
            Column("value", "Expected value", "money", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("stacked", "owner", ("hours",), by="level"),
    )
