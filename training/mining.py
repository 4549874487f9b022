"""Early-warning rules mined from the labelled history (systems H13), and told as a chapter."""

from collections.abc import Iterator
from dataclasses import dataclass

from retention.blocks import Block, Chapter, Column, rows
from retention.figures import Figure, share
from retention.mining.rules import Candidate, Finding, Rule, chosen, mine
from retention.mining.snapshots import Array
from retention.sections import Mining
from serving.bundle import spec_of
from serving.reasons import amount
from training.past import Past


@dataclass(frozen=True, kw_only=True, eq=False)
class Mined:
    """What was tested, and what of it is to be used with the share of losses warned of so far.

    `base` is the churn rate of the later period's rows.
    """

    past: Past
    gates: Mining
    tested: list[Finding]
    chosen: list[tuple[Finding, Figure]]
    base: Figure

    @property
    def together(self) -> Figure:
        """Share of the later losses that the chosen rules warned of."""
        return self.chosen[-1][1] if self.chosen else Figure(0.0, self.base.n)


def mined(past: Past, gates: Mining) -> Mined:
    """Rules found in the development period and tested in the test period of a history."""
    columns = list(candidates(past))
    tested = mine(past.snapshots, columns, past.earlier, past.later, gates)
    values = dict(columns)
    accepted = [(one, values[one.rule.candidate]) for one in tested if not one.failed]
    churned = past.snapshots.churned[past.later]
    return Mined(
        past=past,
        gates=gates,
        tested=tested,
        chosen=chosen(past.snapshots, accepted, past.later, gates.least_together),
        base=share(int(churned.sum()), len(churned)),
    )


def candidates(past: Past) -> Iterator[tuple[Candidate, Array]]:
    """Every numeric feature, and counts also against the account's own usual value."""
    for feature in past.history.catalogue.features:
        if feature.categories:
            continue
        column, relative = past.column(feature.name), past.relative(feature.name)
        assert column is not None
        assert relative is not None
        yield Candidate(feature), column
        if feature.empty == 0 and feature.unit not in ("share", "yes/no"):
            yield Candidate(feature, is_relative=True), relative


def said(rule: Rule) -> str:
    """A rule as a person would say it."""
    feature, way = rule.candidate.feature, "at least" if rule.bound == "at_least" else "at most"
    if rule.candidate.is_relative:
        return f"{feature.definition}: {way} {100 * rule.threshold:.0f} % of their usual"
    told = amount(spec_of(feature), rule.threshold)
    return f"{feature.definition}: {told if feature.unit == 'yes/no' else f'{way} {told}'}"


def chapter(found: Mined) -> Chapter:
    """What was mined, as blocks."""
    return Chapter(
        id="mining", title="Early warnings in history", blocks=(_tested(found), _chosen(found)), not_measured=()
    )


def _tested(found: Mined) -> Block:
    split, gates = found.past.split, found.gates
    return Block(
        id="rules",
        title="Rules found, and what came of them later",
        systems=("H13",),
        says=f"Thresholds found in snapshots up to {split.last_training:%Y-%m-%d} and tested once on those from "
        f"{split.first_test:%Y-%m-%d}, of whose accounts {100 * (found.base.value or 0):.1f} % were lost in their "
        "window. Times: churn rate where the rule holds over that of all. Warns of: share of the losses. Lead: from "
        "the beginning of the alarm to the loss, at the median. By chance: corrected for all of the "
        f"{len(found.tested)} rules tested.",
        columns=(
            Column("rule", "Rule"),
            Column("lift", "Times as often", "number", has_interval=True),
            Column("rate", "Churn where it holds", "share", has_interval=True),
            Column("share", "Holds for", "share"),
            Column("coverage", "Warns of", "share", has_interval=True),
            Column("lead", "Lead", "days", has_interval=True),
            Column("chance", "By chance", "number"),
            Column("verdict", "Verdict"),
        ),
        rows=rows(
            (
                said(one.rule),
                one.lift,
                one.rate,
                one.share,
                one.coverage,
                one.lead,
                one.q,
                "accepted" if not one.failed else "; ".join(one.failed),
            )
            for one in found.tested
        ),
        notes=(
            f"Accepted: at least {gates.least_lift:g} times as often, {gates.least_lead_days:g} days of lead and "
            f"{100 * gates.least_coverage:.0f} % of the losses, and below {gates.chance:g} by chance.",
        ),
    )


def _chosen(found: Mined) -> Block:
    together, wanted = found.together, found.gates.least_together
    enough = (together.value or 0) >= wanted
    return Block(
        id="chosen",
        title="Accepted rules that add to each other",
        systems=("H13",),
        says="Of the accepted rules those that warn of losses which those above them do not, most first, with the "
        "share of the later period's losses warned of so far. It ends where they are enough: each "
        "rule is more alarms.",
        columns=(Column("rule", "Rule"), Column("together", "Warned of so far", "share", has_interval=True)),
        rows=rows((said(one.rule), so_far) for one, so_far in found.chosen),
        notes=(
            f"Together they warn of {100 * (together.value or 0):.0f} % of the losses: "
            f"{'enough' if enough else 'not enough'} by the custom of {100 * wanted:.0f} %.",
        ),
    )
