"""The chapter of why customers leave."""

from retention.blocks import Block, Chapter
from retention.figures import Figure
from retention.inputs import Inputs
from retention.mining.kept import tuning
from retention.reasons import (
    before,
    evidence,
    issues,
    kinds,
    loop,
    losses,
    money,
    passive,
    patterns,
    postmortem,
    sale,
    traces,
)
from retention.reasons.causes import Vocabulary
from retention.reasons.losses import Loss
from retention.silence import Threshold


def chapter(inputs: Inputs) -> Chapter:
    """Kinds of churn, root causes, what was seen before, what comes back, and what each driver costs."""
    blocks: list[Block] = []
    missing: list[str] = []
    figures: dict[str, Figure] = {}
    words = Vocabulary(inputs.house.causes)
    blocks += _passive(inputs, traces.make(inputs), missing)
    every = losses.read(inputs, words)
    if recent := losses.lately(inputs, every):
        blocks[:0] = _of_losses(inputs, recent, words, missing, figures)
    else:
        missing.append(f"causes of churn: nobody was lost in the last {inputs.house.reasons.period_days} days")
    if inputs.has("support", "topic"):
        blocks.append(issues.register(inputs, words))
    else:
        missing.append("recurring issues: map `topic` in [sources.support]")
    if inputs.rows("SELECT 1 FROM driver_history LIMIT 1"):
        blocks += money.cost(inputs)
    else:
        missing.append("what each driver costs: keep runs of a trained model with `keepwell score --store`")
    if sale.attributes(inputs):
        blocks.append(sale.by_source(inputs, every, words))
    else:
        wanted = ", ".join(inputs.house.reasons.sale_attributes)
        missing.append(f"churn by where customers were sold: list one of {wanted} as attributes of [sources.accounts]")
    if tuned := tuning(inputs):
        blocks.append(tuned)
    else:
        missing.append(
            "what alarms were worth: no loss lies in the window of a kept run yet; `keepwell tune` looks back"
        )
    blocks += [evidence.areas(inputs), loop.loop(inputs)]
    return Chapter(
        id="reasons", title="Why customers leave", blocks=tuple(blocks), not_measured=tuple(missing), figures=figures
    )


def _passive(inputs: Inputs, thresholds: list[Threshold], missing: list[str]) -> list[Block]:
    if not inputs.has("usage"):
        missing.append("passive churn: map [sources.usage]")
        return []
    if inputs.settings.churn.kind == "inactivity":
        missing.append("passive churn: here silence is the churn itself, so there is none that comes before it")
        return []
    return [passive.followed(inputs, thresholds), passive.now(inputs)]


def _of_losses(
    inputs: Inputs, recent: list[Loss], words: Vocabulary, missing: list[str], figures: dict[str, Figure]
) -> list[Block]:
    by_kind, measured = kinds.with_and_without(inputs, recent, words)
    figures |= measured
    found = patterns.patterns(inputs, recent, words)
    blocks = [by_kind, kinds.by_cause(inputs, recent, words)]
    if any(loss.root for loss in recent):
        blocks += [kinds.agreement(inputs, recent, words), kinds.by_layer(inputs, recent, words)]
        blocks.append(patterns.systemic(inputs, found, words))
    else:
        missing.append(
            "layers, patterns and agreement of causes: no loss has one; map `reason` in [sources.churns] or "
            "`cancel_reason` in [sources.subscriptions]"
        )
    if by_value := kinds.by_value(inputs, recent, words):
        blocks.append(by_value)
    if drift := patterns.drift(inputs, recent, words):
        blocks.append(drift[0])
        figures |= drift[1]
    else:
        missing.append("a shift of reasons: too few losses with a known cause, lately or before")
    return [*blocks, before.signals(inputs, recent), postmortem.recent(inputs, recent, words, found)]
