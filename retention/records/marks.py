"""Pieces of Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

UNKNOWN = "not known"


def terms(*told: tuple[str, str]) -> Iterator[str]:
    """Fields with their names."""
    yield ""
    yield from (f"- **{name}:** {text.strip()}" for name, text in told)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    yield from ("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def plain(value: float | None) -> str:
    """A number: from 100 on without decimals, below with four digits."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def between(low: float | None, high: float | None) -> str:
    """An interval."""
    return UNKNOWN if low is None or high is None else f"{plain(low)} to {plain(high)}"


def day(at: datetime) -> str:
    """A moment's day."""
    return f"{at:%Y-%m-%d}"
