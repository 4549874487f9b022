"""Losses by kind, root cause, value and layer of prevention."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import Figure, share
from retention.inputs import Inputs
from retention.reasons.causes import Root, Vocabulary
from retention.reasons.losses import Loss

LAYERS = {
    "foundation": "Foundation: the right product, sold and started right",
    "engagement": "Engagement: value and relations, kept up",
    "intervention": "Intervention: a save, in time",
    "residual": "Nobody could have",
}
SIZES = ("low", "middle", "high")

PAIRS = (
    ("stated and inferred", "stated", "inferred", None),
    ("stated and inferred from scores", "stated", "inferred", "score"),
    ("stated and inferred from traces", "stated", "inferred", "trace"),
    ("stated and inferred from topics", "stated", "inferred", "topic"),
    ("stated and found", "stated", "found", None),
    ("inferred and found", "inferred", "found", None),
)

Kind = tuple[str, Callable[[Loss], bool]]


def kinds(words: Vocabulary) -> tuple[Kind, ...]:
    """Kinds of loss that metrics are told with and without (systems T1, T3)."""
    return (
        ("all", lambda loss: True),
        ("voluntary", lambda loss: loss.intent == "voluntary"),
        ("involuntary", lambda loss: loss.intent == "involuntary"),
        ("preventable", lambda loss: loss.is_preventable(words) is True),
        ("not preventable", lambda loss: loss.is_preventable(words) is False),
        ("not known whether preventable", lambda loss: loss.is_preventable(words) is None),
    )


def with_and_without(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> tuple[Block, dict[str, Figure]]:
    """Logo churn and money lost of each kind of loss, and what churn would be without it (systems T1, T3)."""
    held, fewest = held_at(inputs, period_start(inputs)), inputs.house.programme.fewest
    mine = [loss for loss in losses if loss.account_id in held]
    money = sum(loss.yearly_value or 0 for loss in losses)
    told, figures = [], {}
    for name, is_kind in kinds(words):
        these = [loss for loss in losses if is_kind(loss)]
        gone = {loss.account_id for loss in mine if is_kind(loss)}
        rest = {loss.account_id for loss in mine if not is_kind(loss)}
        churn = share(len(gone), len(held), fewest=fewest)
        without = share(len(rest), len(held), fewest=fewest) if name != "all" else None
        lost = sum(loss.yearly_value or 0 for loss in these)
        told.append((name, len(these), churn, without, lost, lost / money if money else None))
        if name == "preventable" and any(loss.is_preventable(words) is not None for loss in losses):
            figures["preventable_churn"] = churn
    block = Block(
        id="kinds",
        title="Churn by kind, with and without",
        systems=("T1", "T3"),
        says=f"Losses of the last {inputs.house.reasons.period_days} days. Logo churn is over the customers at the "
        "beginning; without: what it would be had none of this kind been lost. Preventable is as a person told, else "
        "as retention.toml has it for the root cause.",
        columns=(
            Column("kind", "Kind"),
            Column("losses", "Losses", "count"),
            Column("logo_churn", "Logo churn", "share", has_interval=True),
            Column("without", "Logo churn without", "share", has_interval=True),
            Column("value", "Lost a year", "money"),
            Column("value_share", "Of money lost", "share"),
        ),
        rows=rows(told),
    )
    return block, figures


def period_start(inputs: Inputs) -> datetime:
    """The beginning of the report's period."""
    return inputs.as_of - timedelta(days=inputs.house.reasons.period_days)


def held_at(inputs: Inputs, moment: datetime) -> set[str]:
    """The customers at a moment."""
    at = inputs.engine.moment(moment)
    found = inputs.rows(
        f"SELECT account_id FROM customer_spans WHERE began_at < {at} AND (ended_at IS NULL OR ended_at > {at})"
    )
    return {str(account) for (account,) in found}


def by_cause(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> Block:
    """The six root causes with their sub-causes, and involuntary losses apart (systems T4)."""
    known = sorted({loss.root for loss in losses if loss.root})
    counted = [(root, [loss for loss in losses if loss.root == root]) for root in (*known, None)]
    counted.sort(key=lambda one: (one[0] is None, -len(one[1]), one[0] or Root("")))
    fewest = inputs.house.programme.fewest
    told = [
        (
            "not known" if root is None else words.causes[root.cause].title,
            words.causes[root.cause].sub[root.sub].title if root and root.sub else None,
            share(len(found), len(losses), fewest=fewest),
            len(found),
            *(sum(loss.basis == basis for loss in found) for basis in ("found", "stated", "inferred")),
            sum(loss.yearly_value or 0 for loss in found),
            None if root is None else words.preventable(root),
        )
        for root, found in counted
        if found
    ]
    return Block(
        id="causes",
        title="Root causes",
        systems=("T4", "R1"),
        says=f"Losses of the last {inputs.house.reasons.period_days} days by the cause that a post-mortem found, else "
        "that was stated, else that was inferred from scores, tables and tickets before the loss.",
        columns=(
            Column("cause", "Cause"),
            Column("sub_cause", "In particular"),
            Column("share", "Share", "share", has_interval=True),
            Column("losses", "Losses", "count"),
            Column("found", "Found", "count"),
            Column("stated", "Stated", "count"),
            Column("inferred", "Inferred", "count"),
            Column("value", "Lost a year", "money"),
            Column("preventable", "Preventable", "flag"),
        ),
        rows=rows(told),
        chart=Chart("bar", "cause", ("losses",)),
    )


def agreement(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> Block:
    """How often two of the three reasons of a loss name the same root cause (complaint Q15 of spec/crm.md)."""
    told = []
    for name, one, other, evidence in PAIRS:
        mine = [loss for loss in losses if evidence in (None, loss.evidence)]
        both = [(a.cause, b.cause) for loss in mine if (a := getattr(loss, one)) and (b := getattr(loss, other))]
        same = share(sum(a == b for a, b in both), len(both), fewest=inputs.house.programme.fewest)
        told.append((name, same, by_chance(both) if same.value is not None else None))
    return Block(
        id="agreement",
        title="Do the reasons agree?",
        systems=("T4",),
        says="Losses with both reasons, and the share where both name the same of the root causes; beside it the "
        "share that chance would give, were reasons paired at random. What is stated is often not the real reason.",
        columns=(
            Column("pair", "Reasons"),
            Column("agree", "Agree", "share", has_interval=True),
            Column("chance", "By chance", "share"),
        ),
        rows=rows(told),
    )


def by_chance(pairs: Sequence[tuple[str, str]]) -> float:
    """Share of agreement if the two were independent (the expected agreement of Cohen 1960).

    >>> by_chance([("a", "a"), ("b", "b"), ("a", "b"), ("b", "a")])
    0.5
    """
    n, names = len(pairs), {name for pair in pairs for name in pair}
    return sum(sum(a == c for a, _ in pairs) * sum(b == c for _, b in pairs) for c in names) / n**2


def by_value(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> Block | None:
    """Losses by what they were worth and why they left (systems G1), in three parts; None where all are worth alike."""
    worth = [(loss.yearly_value, loss) for loss in losses if loss.yearly_value is not None]
    edges = np.quantile([value for value, _ in worth], [1 / 3, 2 / 3]) if worth else np.zeros(2)
    if edges[0] == edges[1]:
        return None
    sized = [(SIZES[int((edges < value).sum())], loss) for value, loss in worth]
    told = []
    for size in SIZES[::-1]:
        here = [loss for found, loss in sized if found == size]
        for cause in sorted({loss.root.cause if loss.root else "" for loss in here}):
            mine = [loss for loss in here if (loss.root.cause if loss.root else "") == cause]
            title = words.causes[cause].title if cause else "not known"
            value = sum(loss.yearly_value or 0 for loss in mine)
            told.append((size, title, len(mine), share(len(mine), len(here)), value))
    return Block(
        id="value_by_cause",
        title="Value and reason",
        systems=("G1",),
        says=f"Losses of the last {inputs.house.reasons.period_days} days in three parts of like size by what they "
        "were worth a year, and within each part by root cause.",
        columns=(
            Column("size", "Value"),
            Column("cause", "Cause"),
            Column("losses", "Losses", "count"),
            Column("share", "Share of this part", "share", has_interval=True),
            Column("value", "Lost a year", "money"),
        ),
        rows=rows(sorted(told, key=lambda row: (-SIZES.index(row[0]), -row[2], row[1]))),
    )


def by_layer(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> Block:
    """Which layer of prevention each loss slipped through, by its root cause (systems R22)."""
    known = [(words.layer(loss.root), loss) for loss in losses if loss.root]
    placed = [(layer, loss) for layer, loss in known if layer]
    fewest = inputs.house.programme.fewest
    told = [
        (title, share(len(mine), len(placed), fewest=fewest), sum(loss.yearly_value or 0 for loss in mine))
        for layer, title in LAYERS.items()
        for mine in [[loss for found, loss in placed if found == layer]]
    ]
    return Block(
        id="layers",
        title="Which layer of prevention failed",
        systems=("R22",),
        says=f"Losses of the last {inputs.house.reasons.period_days} days whose root cause belongs to one layer "
        "(retention.toml says to which). The shares are counted, not assumed.",
        columns=(
            Column("layer", "Layer"),
            Column("share", "Share of losses", "share", has_interval=True),
            Column("value", "Lost a year", "money"),
        ),
        rows=rows(told),
        notes=(f"{len(losses) - len(placed)} of {len(losses)} losses have no cause that belongs to one layer.",),
    )
