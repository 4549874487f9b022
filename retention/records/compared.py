"""The part of a record's Markdown that compares: inputs, claims, options, scenarios, thresholds."""

from collections.abc import Iterator

from retention.records.deciding import Body
from retention.records.document import Document
from retention.records.marks import UNKNOWN, plain, table, terms
from retention.records.parts import Number


def compared(given: Document, body: Body) -> Iterator[str]:
    """Everything between the question and the choice."""
    compare = given.compare
    yield "\n## Compare\n\n### Key inputs, data sources and their quality\n"
    yield from table(
        ("Input", "Source", "Unit", "As of", "Coverage", "Owner", "Refreshed every", "Verified by", "Gaps"),
        (
            (
                one.name,
                one.source,
                one.unit,
                str(one.as_of or UNKNOWN),
                UNKNOWN if one.coverage is None else f"{one.coverage:.0%}",
                one.owner or UNKNOWN,
                f"{one.refresh_days} days" if one.refresh_days else UNKNOWN,
                one.verified_by or "nobody",
                one.gaps,
            )
            for one in compare.inputs
        ),
    )
    yield "\n### Facts\n"
    yield from (f"- {one.text} ({one.source}; confidence {one.confidence})" for one in compare.facts)
    yield "\n### Assumptions\n"
    yield from (
        f"- {one.text} ({one.owner}; confidence {one.confidence}; if wrong: {one.if_wrong})"
        for one in compare.assumptions
    )
    yield "\n### Open questions\n"
    yield from ([f"- {one.text} ({one.owner}, by {one.by})" for one in compare.questions] or ["- none"])
    yield from terms(
        ("Constraints", "; ".join(compare.constraints)),
        ("Dependencies", "; ".join(compare.dependencies)),
        ("Trade-offs", compare.trade_offs),
    )
    yield from _numbers(given)
    yield from _options(given, body)


def _numbers(given: Document) -> Iterator[str]:
    yield "\n### Numbers that the comparison rests on\n"
    held = [("Churn of an account in scope", given.compare.churn), ("Its money a year", given.compare.value)]
    held += [(f"Effect of {name}", option.effect) for name, option in given.compare.options.items()]
    yield from table(
        ("Number", "Low", "Base", "High", "n", "Basis", "Confidence", "Source"), (_number(*one) for one in held)
    )


def _number(name: str, number: Number) -> tuple[str, ...]:
    ends = (plain(number.low), plain(number.base), plain(number.high), plain(number.n))
    return (name, *ends, number.basis, number.confidence, number.source)


def _options(given: Document, body: Body) -> Iterator[str]:
    yield "\n### Options"
    for name, option in given.compare.options.items():
        yield f"\n**{name}: {option.title}.** {option.what}\n"
        yield f"- treats {plain(option.accounts)} accounts"
        yield from (f"- risk: {r.text}; mitigation: {r.mitigation}; watched: {r.monitoring}" for r in option.risks)
        yield from (
            f"- checkpoint after {c.after_days} days: {c.expects}; stop if {c.stop_if}" for c in option.checkpoints
        )
    decided = body["decided"]
    yield "\n### Scenarios: retention investment against margin\n"
    yield from table(
        ("Option", "Scenario", "Saved", "Retained revenue", "Margin", "Cost", "Net"),
        (
            (one["option"], one["scenario"], *(plain(one[p]) for p in ("saved", "retained", "margin", "cost", "net")))
            for one in decided["scenarios"]
        ),
    )
    yield ""
    yield from table(
        ("Option", "Expected net value", "Greatest regret"),
        ((name, plain(decided["expected"][name]), plain(decided["regret"][name])) for name in decided["expected"]),
    )
    yield "\n### What would change the conclusion\n"
    for one in decided["break_even"]:
        needed = "no save rate does" if one["needed"] is None else f"{one['needed']:.2%} of churn prevented"
        yield f"- {one['option']} breaks even with holding still at: {needed} (assumed here: {one['effect']:.2%})"
    for one in decided["flips"]:
        inside = " — within its own range" if one["is_within"] else ""
        yield f"- {one['number']} from {plain(one['now'])} to {plain(one['at'])}: {one['to']} instead{inside}"
    moved = {one["number"] for one in decided["flips"]}
    if still := [name for name in decided["levers"] if name not in moved]:
        yield f"- no value of {', '.join(still)} alone changes it"
