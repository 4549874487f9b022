"""The form of facts on an account's page: what the policy asks persons for, and what they told."""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.policy import Input, Policy
from serving.store.facts import Fact
from serving.store.runs import Run
from serving.store.scores import Scored

FIELD = "fact."


@dataclass(frozen=True)
class Known:
    """An input of the policy with the fact in force: its text in the form, and whether this score read it."""

    field: str
    input: Input
    value: str
    fact: Fact | None
    is_read: bool


def known(policy: Policy, told: Mapping[str, Fact], scored: Scored, run: Run) -> list[Known]:
    """Everything that the policy asks persons for, in its order."""
    read = scored.detail.get("facts") or {}
    rows = []
    for name, asked in policy.inputs.items():
        fact = told.get(name)
        now = fact.number(run.as_of) if fact else None
        rows.append(Known(FIELD + name, asked, text_of(fact), fact, now == read.get(name)))
    return rows


def given(policy: Policy, told: Mapping[str, Fact], form: Mapping[str, str]) -> dict[str, float | str | None]:
    """The fields of a form that differ from what is in force; an empty one takes back what was told."""
    fields = {name: form[FIELD + name].strip() for name in policy.inputs if FIELD + name in form}
    return {name: text or None for name, text in fields.items() if text != text_of(told.get(name))}


def text_of(fact: Fact | None) -> str:
    """A fact as the form's field holds it; empty for what is not known."""
    if fact is None or not fact.is_told:
        return ""
    return f"{fact.moment:%Y-%m-%d}" if fact.moment else f"{fact.value:g}"
