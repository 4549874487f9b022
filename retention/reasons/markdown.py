"""A post-mortem as people read it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from retention.reasons.postmortem import PostMortem

UNKNOWN = "not known"


def as_markdown(found: PostMortem) -> str:
    """A post-mortem as a Markdown document; what nobody knows is said to be unknown."""
    return "\n".join(
        [
            f"# Post-mortem: {found.account_id}",
            "",
            _what(found),
            "",
            f"**In one line:** {found.summary}.",
            "",
            *_section("Root cause", ("Reason", "Cause"), _causes(found)),
            *_section("Warnings that were there", ("Seen", "Days before", "Signal", "Answered by"), _signals(found)),
            *_section("Health before", ("Run", "Days before", "Health", "Tier", "Risk", "Why"), _scores(found)),
            *_section("What was tried", ("When", "Days before", "Play", "Owner", "Arm", "Outcome"), _plays(found)),
            "## What is learned",
            "",
            found.learned or "Nobody has said yet: name the cause, with a note, to finish it.",
        ]
    )


def _what(found: PostMortem) -> str:
    days = (found.at - found.began_at).days
    worth = "of a value not known" if found.yearly_value is None else f"worth {found.yearly_value:,.0f} a year"
    back = "" if found.returned_at is None else f" Came back on {_day(found.returned_at)}."
    return f"Lost on {_day(found.at)} after {days:,} days as a customer, {worth}; {found.intent}.{back}"


def _causes(found: PostMortem) -> Iterable[Sequence[str]]:
    said = UNKNOWN if found.reason is None else f'"{found.reason}"'
    yield "In their words", said
    yield "Stated", found.stated or UNKNOWN
    yield "Inferred from what was seen", found.inferred or UNKNOWN
    yield "Found by a person", found.found or UNKNOWN
    yield "Preventable", _flag(found.preventable)
    yield "Systemic", _flag(found.is_systemic)
    yield "Layer of prevention that failed", found.layer or UNKNOWN


def _signals(found: PostMortem) -> Iterable[Sequence[str]]:
    for one in found.signals:
        answered = "nobody" if one.answered_by is None else f"{one.answered_by}, {one.answered_after_days} days later"
        yield _day(one.seen_at), str(one.days_before), one.title, answered


def _scores(found: PostMortem) -> Iterable[Sequence[str]]:
    for one in found.scores:
        health = UNKNOWN if one.health is None else f"{one.health:.0f}"
        risk = UNKNOWN if one.churn_probability is None else f"{100 * one.churn_probability:.1f} %"
        yield _day(one.at), str(one.days_before), health, one.tier or UNKNOWN, risk, one.because or ""


def _plays(found: PostMortem) -> Iterable[Sequence[str]]:
    for one in found.plays:
        yield _day(one.at), str(one.days_before), one.play, one.owner or "", one.arm, one.outcome or UNKNOWN


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table under its title, or a line that there is nothing to tell."""
    told = [_line(row) for row in rows]
    table = [_line(columns), _line(["---"] * len(columns)), *told] if told else ["Nothing was kept."]
    return [f"## {title}", "", *table, ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _flag(value: bool | None) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"
