"""The chapter `plan`: hours by owner and level, overload, what the plan is worth, and whom to treat how."""

from collections.abc import Mapping
from itertools import groupby

from retention.blocks import Block, Chapter, Column, Value, rows
from retention.capacity import measured, tables
from retention.capacity.candidates import find
from retention.capacity.choices import Choice, effect_of
from retention.capacity.compare import total
from retention.capacity.plan import Plan, plan
from retention.figures import UNKNOWN, Figure
from retention.inputs import Inputs

ID, TITLE = "plan", "The plan: whose hours go to which accounts"
NO_SCORES = "the plan: the store holds no scores yet; `keepwell score --store` keeps a run"


def chapter(inputs: Inputs, effects: Mapping[str, Figure] | None = None, hours: float | None = None) -> Chapter:
    """The plan for the time after the newest kept run.

    Args:
        inputs: the company and its kept runs.
        effects: measured effects by play, None to measure them; of a play that is missing the house's is assumed.
        hours: of every owner in the planning time; None for the house's.
    """
    found = find(inputs)
    if not found.candidates:
        reasons = [f"the plan: {n} accounts {reason}" for reason, n in found.left_out.items()]
        return Chapter(id=ID, title=TITLE, blocks=(), not_measured=tuple(reasons) or (NO_SCORES,))
    known = measured.effects(inputs) if effects is None else effects
    made = plan(found.candidates, inputs.house, known, hours)
    notes = tuple(f"{n:,} accounts get no hours: {reason}." for reason, n in found.left_out.items())
    return Chapter(
        id=ID,
        title=TITLE,
        blocks=(
            tables.value(made, notes),
            tables.stakes(made),
            tables.load(made, inputs),
            tables.hours(made, inputs),
            _effects(inputs, known),
            _accounts(made),
        ),
    )


def _effects(inputs: Inputs, effects: Mapping[str, Figure]) -> Block:
    told = []
    for name, care in inputs.house.plays.items():
        effect, is_measured = effect_of(name, care, effects)
        basis = "measured" if is_measured else "assumed"
        told.append((name, effect, basis, effects.get(name, UNKNOWN), care.hours, care.cost))
    return Block(
        id="plays",
        title="What the plan takes for granted of each play",
        systems=("X12", "G10"),
        says="The share of an account's churn that a play prevents: measured against a holdout where there is one, "
        "else assumed in retention.toml, with its range. A measurement stands once its interval is no wider than that.",
        columns=(
            Column("play", "Play"),
            Column("effect", "Prevents", "share", has_interval=True),
            Column("basis", "Basis"),
            Column("measured", "Measured so far", "share", has_interval=True),
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
