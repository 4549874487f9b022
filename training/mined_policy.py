"""Mined rules as entries of a policy.toml."""

from json import dumps
from pathlib import Path

from features.declare import Feature
from features.replacing import replacing
from retention.mining.rules import Finding
from serving.policy import Driver, Policy, driver_of, load
from serving.reasons import Reason
from training.errors import EvidenceError
from training.mining import Mined, said

REVIEW = "csm_review"


def write(found: Mined, policy: Policy, path: Path) -> int:
    """Write the chosen rules to a new file that `keepwell policy check` accepts; how many there are.

    Raises:
        EvidenceError: the file is there already, or there is nothing to write.
    """
    if path.exists():
        raise EvidenceError(f"{path} is there already; give a new name, and copy from it what you want")
    if not found.chosen:
        raise EvidenceError("no rule was accepted, so there is nothing to write; see the verdicts, or lower [mining]")
    split = found.past.split
    head = (
        f"# Warnings found in history up to {split.last_training:%Y-%m-%d} and tested from "
        f"{split.first_test:%Y-%m-%d} on. Copy what you want to keep into your policy.toml.\n"
    )
    with replacing(path) as partial:
        partial.write_text("\n".join([head, *(_entry(policy, one) for one, _ in found.chosen)]), encoding="utf-8")
        load(partial)
    return len(found.chosen)


def _entry(policy: Policy, one: Finding) -> str:
    told, is_relative = one.rule.candidate.feature, one.rule.candidate.is_relative
    driver = _driver(policy, told)
    play = driver.play if driver else REVIEW
    owner = driver.owners[0] if driver else policy.plays[play].owner
    usual = ", relative_to_baseline = true" if is_relative else ""
    text = "{what}: {value}, usually {usual}" if is_relative else "{what}: {value}"
    suffix = "_against_usual" if is_relative else ""
    return f"""# {_evidence(one)}
[warnings.mined_{told.name}{suffix}]
title = {dumps(said(one.rule), ensure_ascii=False)}
component = "{told.component}"
severity = "medium"
when.any = [{{ feature = "{told.name}", {one.rule.bound} = {one.rule.threshold:g}{usual} }}]
text = "{text}"
play = "{play}"
owner = "{owner}"
due_in_hours = {policy.plays[play].due_in_hours:g}
"""


def _evidence(one: Finding) -> str:
    low, high = one.lift.low or 0.0, one.lift.high or 0.0
    return (
        f"churn {one.lift.value:.1f} times as often ({low:.1f} to {high:.1f}); warned of "
        f"{100 * (one.coverage.value or 0):.0f} % of the losses, {one.lead.value:.0f} days before at the median"
    )


def _driver(policy: Policy, told: Feature) -> Driver | None:
    """The driver that such a reason would belong to: its play answers the warning."""
    reason = Reason(
        signal=told.signal,
        component=told.component,
        feature=told.name,
        text=told.definition,
        value=None,
        baseline=None,
        peer_percentile=None,
        contribution=0.0,
        contribution_pp=0.0,
    )
    return driver_of(policy, reason)
