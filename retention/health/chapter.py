"""The chapter of the book's health."""

from retention.blocks import Block, Chapter
from retention.figures import Figure
from retention.health import book, decision_inputs, leading, outcomes, use
from retention.inputs import Inputs


def chapter(inputs: Inputs) -> Chapter:
    """The book by tier, at risk, what became of it, and what moves before churn does."""
    blocks: list[Block] = []
    missing: list[str] = []
    figures: dict[str, Figure] = {}
    if inputs.rows("SELECT 1 FROM score_history WHERE tier IS NOT NULL LIMIT 1"):
        at_risk, figures = book.at_risk(inputs)
        blocks += [book.distribution(inputs), at_risk, outcomes.conversion(inputs), outcomes.time_to_risk(inputs)]
        blocks.append(outcomes.seen_before(inputs))
    else:
        missing.append("health, tiers and value at risk over time: keep runs with `keepwell score --store`")
    blocks.append(leading.directions(inputs))
    if inputs.has("usage"):
        blocks.append(use.by_month(inputs))
    else:
        missing.append("use by month: map [sources.usage]")
    blocks.append(decision_inputs.block(inputs))
    if inputs.rows("SELECT 1 FROM score_history WHERE value_at_risk IS NOT NULL LIMIT 1"):
        blocks.append(book.losses_to_expect(inputs))
    missing += decision_inputs.missing(inputs)
    return Chapter(
        id="health", title="Health and risk", blocks=tuple(blocks), not_measured=tuple(missing), figures=figures
    )
