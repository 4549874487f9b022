"""The chapter `plan`: hours by owner and level, overload, what the plan is worth, and whom to treat how."""

from collections.abc import Mapping
from itertools import groupby

from retention.blocks import Block, Chapter, Chart, Column, Value, rows
from retention.capacity.candidates import find
from retention.capacity.choices import LEVELS, Choice, effect_of
from retention.capacity.compare import total
from retention.capacity.plan import Plan, plan
from retention.figures import Figure
from retention.inputs import Inputs

ID, TITLE = "plan", "The plan: whose hours go to which accounts"
NO_SCORES = "the plan: the store holds no scores yet; `keepwell score --store` keeps a run"


def chapter(inputs: Inputs, effects: Mapping[str, Figure] | None = None, hours: float | None = None) -> Chapter:
    """The plan for the time after the newest kept run.

    Args:
        inputs: the company and its kept runs.
        effects: measured effects by play; None or a play that is missing: as the house assumes.
        hours: of every owner in the planning time; None for the house's.
    """
    found = find(inputs)
    if not found.candidates:
        reasons = [f"the plan: {n} accounts {reason}" for reason, n in found.left_out.items()]
        return Chapter(id=ID, title=TITLE, blocks=(), not_measured=tuple(reasons) or (NO_SCORES,))
    made = plan(found.candidates, inputs.house, effects or {}, hours)
    notes = tuple(f"{n:,} accounts get no hours: {reason}." for reason, n in found.left_out.items())
    measured = _effects(inputs, effects or {})
    return Chapter(
        id=ID,
        title=TITLE,
        blocks=(_value(made, notes), _load(made, inputs), _hours(made, inputs), measured, _accounts(made)),
    )


def _value(made: Plan, notes: tuple[str, ...]) -> Block:
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


def _load(made: Plan, inputs: Inputs) -> Block:
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


def _hours(made: Plan, inputs: Inputs) -> Block:
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


def _effects(inputs: Inputs, effects: Mapping[str, Figure]) -> Block:
    told = []
    for name, care in inputs.house.plays.items():
        effect, is_measured = effect_of(name, care, effects)
        told.append((name, effect, "measured" if is_measured else "assumed", care.hours, care.cost))
    return Block(
        id="plays",
        title="What the plan takes for granted of each play",
        systems=("X12", "G10"),
        says="The share of an account's churn that a play prevents: measured against a holdout where there is one, "
        "else assumed in retention.toml, with the range assumed.",
        columns=(
            Column("play", "Play"),
            Column("effect", "Prevents", "share", has_interval=True),
            Column("basis", "Basis"),
            Column("hours", "Hours", "number"),
            Column("cost", "Cost", "money"),
        ),
        rows=rows(told),
    )


def _accounts(made: Plan) -> Block:
    chosen = sorted((c for one in made.owners for c in one.chosen), key=lambda c: (c.owner, -c.worth, c.account_id))
    ranked = [(i, c) for _, held in groupby(chosen, key=lambda c: c.owner) for i, c in enumerate(held, 1)]
    return Block(
        id="accounts",
        title="Who gets what",
        systems=("P7", "P8", "P9", "P10"),
        says="The plays of the plan, for each owner the most valuable first. Value is expected churn prevented minus "
        "cost.",
        columns=(
            Column("owner", "Owner"),
            Column("rank", "Rank", "count"),
            Column("account_id", "Account"),
            Column("level", "Risk"),
            Column("play", "Play"),
            Column("hours", "Hours", "number"),
            Column("cost", "Cost", "money"),
            Column("probability", "Churn without it", "share"),
            Column("value", "Expected value", "money", has_interval=True),
        ),
        rows=rows(_row(rank, choice) for rank, choice in ranked),
        account="account_id",
    )


def _row(rank: int, choice: Choice) -> tuple[Value, ...]:
    worth = total([choice])
    told = (choice.owner, rank, choice.account_id, choice.level, choice.play, choice.hours, choice.cost)
    return (*told, choice.probability, Figure(worth.value, None, worth.low, worth.high))
