"""Plays judged by what they changed: scorecards with a suggestion, and the log of experiments (systems K2, G7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from retention.blocks import Block, Column, rows
from retention.effects.estimate import rate, scaled
from retention.effects.measured import Measured, Table
from retention.figures import Figure
from retention.inputs import Inputs

OFTEN = 0.2
"""Share of a play's cases with another play in them, from which on it was not tried alone."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One play: its cases, what it changed, and what that is worth a case once its cost is paid.

    `gain` is in money where the accounts' worth is known, else the effect itself.
    """

    play: str
    treated: int
    held: int
    save_rate: Figure
    effect: Figure
    gain: Figure
    cost: float | None
    driver: str | None
    first_at: datetime
    last_at: datetime
    together: float


def cards(inputs: Inputs, measured: Measured) -> list[Card]:
    """A card for every play with a closed case, most cases first."""
    told = {row["play"]: row for row in inputs.engine.query(_HISTORY).to_pylist()}
    found = []
    for play in measured.treated.groups("play"):
        of_play = measured.treated.of("play", play)
        change, held = _effect(measured, of_play, play)
        worth = float(of_play.cases.worth.mean())
        found.append(
            Card(
                treated=len(of_play.cases),
                held=held,
                save_rate=rate(of_play.cases, fewest=measured.fewest),
                effect=change,
                gain=change if worth != worth else scaled(change, worth, -(told[play]["cost"] or 0.0)),
                **told[play],
            )
        )
    return found


_HISTORY = """
    SELECT play, AVG(cost_cents) / 100 AS cost, MODE(driver) AS driver,
           MIN(begun_at) AS first_at, MAX(begun_at) AS last_at,
           AVG(CASE WHEN kinds > 1 THEN 1.0 ELSE 0.0 END) AS together
    FROM play_cases WHERE is_closed AND is_treated GROUP BY play"""


def suggestion(card: Card, fewest: int) -> tuple[str, str]:
    """promote, refine, retire or wait, and why.

    A play is promoted when the whole interval of its gain lies above zero, retired when it lies below, refined when it
    holds zero; with fewer than `fewest` cases in an arm, or without a holdout, nothing is suggested.
    """
    low, high = card.gain.low, card.gain.high
    if not card.held:
        return "wait", "no holdout to compare with"
    if min(card.treated, card.held) < fewest:
        return "wait", f"{card.treated} treated and {card.held} held out; {fewest} of each are needed"
    if low is None or high is None:
        return "wait", "what was done hardly differed between the arms"
    if low > 0:
        return "promote", "it changes more than it costs, by the whole interval"
    if high < 0:
        return "retire", "it changes less than it costs, by the whole interval"
    return "refine", "whether it pays is open: the interval holds zero"


def verdict(card: Card, fewest: int) -> str:
    """keep, retire or go on: whether a change in customers' behaviour was seen (systems G7)."""
    said, _ = suggestion(card, fewest)
    if said == "wait":
        return "go on"
    if card.effect.low is not None and card.effect.low > 0 and said != "retire":
        return "keep"
    return "retire" if said == "retire" else "go on"


def scorecards(found: Sequence[Card], measured: Measured, fewest: int) -> Block:
    """Every play with its win rate, what it changed, and whether to promote or retire it (systems K2)."""
    notes = []
    if measured.basis == "held-out accounts":
        notes.append(
            "Held-out accounts have no play, so every play is compared with all of them: who got which play was a "
            "choice, and differences between plays may be differences between accounts."
        )
    if measured.basis == "assumed":
        notes.append("The effect is against an ASSUMED natural save rate.")
    return Block(
        id="scorecards",
        title="Scorecards of plays",
        systems=("K2",),
        says="A case belongs to the play that it began with. Gain: effect x worth of the account - cost, a case. "
        "Promote when the whole interval of the gain is above zero, retire when it is below, else refine.",
        columns=(
            Column("play", "Play"),
            Column("save_rate", "Save rate", "share", has_interval=True),
            Column("held", "Held out", "count"),
            Column("effect", "Effect", "share", has_interval=True),
            Column("cost", "Cost a case", "money"),
            Column("gain", "Gain a case", "money", has_interval=True),
            Column("suggestion", "Suggestion"),
            Column("why", "Why"),
        ),
        rows=rows((c.play, c.save_rate, c.held, c.effect, c.cost, _money(c), *suggestion(c, fewest)) for c in found),
        notes=tuple(notes),
    )


def experiments(found: Sequence[Card], fewest: int) -> Block:
    """Every play as an experiment, in the order in which they were begun (systems G7)."""
    told = [
        (
            c.first_at,
            c.last_at,
            c.play,
            c.driver,
            c.treated,
            c.held,
            c.effect,
            c.together,
            c.together < OFTEN,
            verdict(c, fewest),
        )
        for c in sorted(found, key=lambda card: (card.first_at, card.play))
    ]
    return Block(
        id="experiments",
        title="Log of experiments",
        systems=("G7",),
        says="What was tried against which driver, from when to when, and whether it changed what customers did. One "
        f"change at a time: a play with another one beside it in {100 * OFTEN:.0f} % of its cases was not tried alone.",
        columns=(
            Column("first_at", "From", "day"),
            Column("last_at", "To", "day"),
            Column("play", "Play"),
            Column("driver", "Assumed driver"),
            Column("treated", "Treated", "count"),
            Column("held", "Held out", "count"),
            Column("effect", "Change", "share", has_interval=True),
            Column("together", "With another", "share"),
            Column("alone", "Alone", "flag"),
            Column("verdict", "Verdict"),
        ),
        rows=rows(told),
    )


def _effect(measured: Measured, of_play: Table, play: str) -> tuple[Figure, int]:
    """What a play changed, and over how many held-out cases."""
    compared = measured.compared
    if compared is None:
        return measured.effect_of(of_play), len(of_play.cases) if measured.basis == "assumed" else 0
    alike = compared.of("play", play)
    if measured.basis == "held-out accounts":
        alike = compared.where(compared.cases.is_held | (compared.labels["play"] == play))
    return measured.effect_of(alike), int(alike.cases.is_held.sum())


def _money(card: Card) -> Figure:
    return card.gain if card.gain is not card.effect else Figure(None, card.treated)
