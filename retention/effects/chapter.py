"""The chapter on plays: what they did, what that was worth, and what cannot be said."""

from retention.blocks import Block, Chapter
from retention.effects import balance, cases, claims, guardrail, owners, preventable, programme, scorecards, timing
from retention.effects.measured import Measured, measure
from retention.figures import Figure
from retention.inputs import Inputs

TITLE = "Plays and their effect"
NO_PLAYS = "Plays and their effect: no [sources.interventions] is mapped and none was recorded in Keepwell"


def chapter(inputs: Inputs) -> Chapter:
    """Everything that the recorded plays allow."""
    cases.make(inputs)
    blocks, missing = _in_time(inputs)
    if not inputs.rows("SELECT 1 FROM play_cases LIMIT 1"):
        blocks = [block for block in blocks if block.rows]
        return Chapter(id="effects", title=TITLE, blocks=tuple(blocks), not_measured=(NO_PLAYS, *missing))
    measured = measure(inputs)
    told = [*_worth(inputs, measured), *_judged(inputs, measured), *_context(inputs, measured), *blocks]
    return Chapter(
        id="effects",
        title=TITLE,
        blocks=tuple(block for block in told if block.rows),
        not_measured=(*_not_measured(inputs, measured), *missing),
        figures=_figures(measured),
    )


def _figures(measured: Measured) -> dict[str, Figure]:
    """The figures that decisions are held against: those that are known."""
    told = {
        "save_rate": measured.save_rate,
        "play_effect": measured.effect,
        "prevented_value": measured.prevented,
        "programme_roi": measured.roi,
    }
    return {name: figure for name, figure in told.items() if figure.value is not None}


def _worth(inputs: Inputs, measured: Measured) -> list[Block]:
    house = inputs.house
    told = [programme.save_rate(measured, house), programme.save_rate_by(measured, house), programme.matrix(measured)]
    if measured.prevented.value is not None:
        told.append(programme.prevented(measured, house))
    if measured.roi.value is not None:
        told.append(programme.returned(measured, house))
    return told


def _judged(inputs: Inputs, measured: Measured) -> list[Block]:
    fewest = inputs.house.programme.fewest_to_judge
    found = scorecards.cards(inputs, measured)
    return [
        scorecards.scorecards(found, measured, fewest),
        scorecards.experiments(found, fewest),
        owners.csm_efficiency(inputs, measured),
    ]


def _context(inputs: Inputs, measured: Measured) -> list[Block]:
    told = [balance.balance(inputs, measured), claims.contamination(inputs), claims.outcomes(inputs)]
    if measured.compared is None:
        told.insert(0, claims.targeted())
    found = preventable.chances(inputs, measured)
    if found:
        told.append(preventable.ranking(found, measured))
    return [*told, guardrail.guardrail(inputs)]


def _in_time(inputs: Inputs) -> tuple[list[Block], list[str]]:
    told, missing = [timing.too_late(inputs)], []
    if inputs.has("touchpoints", "direction"):
        told.insert(0, timing.effort_split(inputs))
    else:
        missing.append("Proactive and reactive contacts: no [sources.touchpoints] with a direction is mapped")
    if inputs.rows("SELECT 1 FROM sign_history LIMIT 1"):
        told.append(timing.first_action(inputs))
    else:
        missing.append("First warning to first play: no warning sign is kept; `keepwell score --store` keeps them")
    return told, missing


def _not_measured(inputs: Inputs, measured: Measured) -> list[str]:
    missing = []
    if not len(measured.treated.cases):
        missing.append(f"Save rates: no play is {inputs.house.programme.outcome_days} days old yet")
    if measured.basis == "not known":
        missing.append(
            "Effect of plays, natural saves, prevented value, return, uplift: the plays were targeted, not randomised; "
            "record held-out plays (arm = holdout), let Keepwell draw a holdout ([programme] holdout_share), or give "
            "[programme] natural_save_rate, which will be marked as assumed"
        )
    elif measured.prevented.value is None:
        missing.append("Prevented value: too few cases in an arm, or no source tells what accounts pay")
    elif measured.roi.value is None:
        missing.append("Return of the programme: no play has a cost, and [programme] overhead is 0")
    if not any(value is not None for value in measured.treated.labels["risk_level"]):
        missing.append("Save rates by risk level and tier: no closed play began after a kept score")
    return missing
