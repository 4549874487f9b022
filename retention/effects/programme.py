"""Whether the programme works: save rate, natural saves, prevented value and return (systems R8-R10, R20)."""

import numpy as np

from retention.blocks import Block, Column, Value, rows
from retention.effects.estimate import Flags, rate
from retention.effects.measured import Measured, Table, label_groups
from retention.figures import Figure
from retention.house import House

CUTS = {"risk_level": "Risk level", "tier": "Tier", "play": "Play", "owner": "CSM", "driver": "Driver"}
SAVE_RATE = "save_rate"

BASES = {
    "held-out plays": "the cases in which a play was held out by a draw",
    "held-out accounts": "the accounts that were drawn to be left alone, from the day they were drawn",
    "assumed": "ASSUMED: [programme] natural_save_rate, not measured",
    "not known": "not known: there is no holdout and no [programme] natural_save_rate",
}


def save_rate(measured: Measured, house: House) -> Block:
    """The save rate of the whole programme beside the rate at which accounts stay by themselves."""
    found, days = measured.save_rate, house.programme.outcome_days
    bound = house.targets[house.money.target_set].bounds.get(SAVE_RATE)
    saved = int(measured.treated.cases.is_saved.sum())
    row: tuple[Value, ...] = (len(measured.treated.cases), saved, found, measured.natural, measured.effect)
    notes = [f"Natural saves are {BASES[measured.basis]}."]
    if measured.basis == "not known":
        notes.append("Without them a save rate says how many stayed, and nothing about what plays did.")
    if bound:
        met = {True: "kept", False: "not kept", None: "not known"}[bound.is_met(found.value)]
        notes.append(f"Target: save rate above {100 * (bound.above or 0):.0f} %: {met}.")
    return Block(
        id="save_rate",
        title="Save rate",
        systems=("R8", "R9"),
        says=f"Treated accounts that were not lost within {days} days of the first play, over those whose {days} days "
        "are over. Plays begun on an account within that time are one case. Any loss counts, whatever its reason.",
        columns=(
            Column("cases", "Cases", "count"),
            Column("saved", "Saved", "count"),
            Column("save_rate", "Save rate", "share", has_interval=True),
            Column("natural", "Natural saves", "share", has_interval=True),
            Column("effect", "Effect of plays", "share", has_interval=True),
        ),
        rows=(row,),
        notes=tuple(notes),
    )


def save_rate_by(measured: Measured, house: House) -> Block:
    """The save rate by risk level, tier, play, CSM and driver, each beside the effect within it."""
    bound = house.targets[house.money.target_set].bounds.get(SAVE_RATE)
    told: list[tuple[Value, ...]] = []
    for label, value, table in label_groups(measured.treated, tuple(CUTS)):
        found = rate(table.cases, fewest=measured.fewest)
        is_met = bound.is_met(found.value) if bound and (label, value) == ("risk_level", "high") else None
        told.append(
            (CUTS[label], value, len(table.cases), found, measured.effect_of(_alike(measured, label, value)), is_met)
        )
    return Block(
        id="save_rate_by",
        title="Save rate by risk level, tier, play, CSM and driver",
        systems=("R8",),
        says="Cases are cut by what was known when the first play began: risk level and tier of the last score before, "
        "the play's owner and driver. The effect is against the held-out cases of the same cut; who owns a case was "
        "not drawn, so CSMs are compared by the table adjusted for risk.",
        columns=(
            Column("cut", "By"),
            Column("value", "Which"),
            Column("cases", "Cases", "count"),
            Column("save_rate", "Save rate", "share", has_interval=True),
            Column("effect", "Effect", "share", has_interval=True),
            Column("is_met", "Target kept", "flag"),
        ),
        rows=rows(told),
    )


def matrix(measured: Measured) -> Block:
    """The save rate of every play at every risk level (systems R20)."""
    told: list[tuple[Value, ...]] = []
    for _, play, of_play in label_groups(measured.treated, ("play",)):
        for _, level, table in label_groups(of_play, ("risk_level",)):
            told.append((play, level, rate(table.cases, fewest=measured.fewest)))
        unknown = of_play.where(_unknown(of_play, "risk_level"))
        if len(unknown.cases):
            told.append((play, None, rate(unknown.cases, fewest=measured.fewest)))
    return Block(
        id="play_by_risk",
        title="Save rate by play and risk level",
        systems=("R20", "R8"),
        says=f"Rates of fewer than {measured.fewest} cases are not told. Without a level: no score was kept before.",
        columns=(
            Column("play", "Play"),
            Column("risk_level", "Risk level"),
            Column("save_rate", "Save rate", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def prevented(measured: Measured, house: House) -> Block:
    """Prevented churn in money, with everything it was computed from (systems R9)."""
    n, money, years = len(measured.treated.cases), house.money.gross_margin, house.programme.saved_years
    told: list[tuple[Value, ...]] = [
        ("worth of saving an account, on average", measured.worth),
        ("worth of all treated accounts", _times(measured.worth, n)),
        ("prevented value", measured.prevented),
    ]
    return Block(
        id="prevented_value",
        title="Prevented value",
        systems=("R9", "X12"),
        says="Worth of the accounts saved less that of those who would have stayed anyway: the effect, weighted by "
        "what accounts are worth, times the worth of all treated. An account is worth its yearly money when the play "
        f"began x {money:g} gross margin x {years:g} years.",
        columns=(Column("what", "What"), Column("money", "Money", "money", has_interval=True)),
        rows=rows(told),
        notes=(f"Natural saves are {BASES[measured.basis]}.",),
    )


def returned(measured: Measured, house: House) -> Block:
    """The programme's return with all of its inputs (systems R10)."""
    bound = house.targets[house.money.target_set].bounds.get("programme_roi")
    notes = [f"Overhead: {house.programme.overhead:,.0f} a month for {measured.months} months with plays."]
    if measured.unpriced:
        notes.append(f"{measured.unpriced} plays have no cost and count nothing: the return is lower than told.")
    row = (measured.prevented, measured.plays_cost, measured.overhead, measured.cost, measured.roi)
    return Block(
        id="programme_roi",
        title="Return of the programme",
        systems=("R10",),
        says="(Prevented value - cost) / cost. The cost is that of the plays of the closed cases, and the overhead.",
        columns=(
            Column("prevented", "Prevented value", "money", has_interval=True),
            Column("plays", "Cost of plays", "money"),
            Column("overhead", "Overhead", "money"),
            Column("cost", "Cost", "money"),
            Column("roi", "Return", "share", has_interval=True),
            Column("is_met", "Target kept", "flag"),
        ),
        rows=((*row, bound.is_met(measured.roi.value) if bound else None),),
        notes=tuple(notes),
    )


def _alike(measured: Measured, label: str, value: str) -> Table | None:
    """The compared cases of one cut; held-out accounts have no play and no owner."""
    if measured.basis == "assumed":
        return measured.treated.of(label, value)
    if measured.compared is None or (measured.basis == "held-out accounts" and label in ("play", "owner")):
        return None
    return measured.compared.of(label, value)


def _unknown(table: Table, label: str) -> Flags:
    return np.array([value is None for value in table.labels[label]], dtype=bool)


def _times(figure: Figure, n: int) -> Figure:
    return Figure(None if figure.value is None else n * figure.value, n)
