"""The chapter of what customers say."""

from retention.blocks import Block, Chapter
from retention.figures import Figure
from retention.inputs import Inputs
from retention.voice import answering, scores, shifts, themes


def chapter(inputs: Inputs) -> Chapter:
    """NPS, shifts, themes, loops and deadlines, as far as the company's data tell them."""
    blocks: list[Block] = []
    missing: list[str] = []
    figures: dict[str, Figure] = {}
    if inputs.has("feedback", "score"):
        shifts.make(inputs)
        figures["nps"] = scores.overall(inputs)
        blocks += [scores.by_quarter(inputs), scores.by_segment(inputs), shifts.foretold(inputs), shifts.recent(inputs)]
        blocks += [answering.loops(inputs)]
    else:
        missing.append("NPS, satisfaction, shifts between classes and closed loops: map `score` in [sources.feedback]")
    if inputs.has("feedback", "text"):
        blocks += [themes.by_class(inputs), themes.recurring(inputs)]
    else:
        missing.append("themes and recurring issues: map `text` in [sources.feedback]")
    if inputs.has("support"):
        blocks.append(answering.tickets(inputs))
    else:
        missing.append("first response, resolution and ticket satisfaction: map [sources.support]")
    if inputs.rows("SELECT 1 FROM sign_history LIMIT 1"):
        blocks += [answering.deadlines(inputs), answering.breaches(inputs)]
    else:
        missing.append("deadlines of warnings: keep runs with `keepwell score --store`")
    if inputs.has("feedback", "score"):
        blocks.append(scores.by_account(inputs))
    return Chapter(
        id="voice", title="What customers say", blocks=tuple(blocks), not_measured=tuple(missing), figures=figures
    )
