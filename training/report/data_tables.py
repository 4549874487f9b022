"""What came in, in the terminal: what `init` guessed, the contract report, the catalogue of features."""

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from features.check import Report, SourceReport
from features.guess import Guess
from training.report.layout import bullets, section, table
from training.report.words import UNKNOWN, count, short


def guessed(guess: Guess) -> RenderableType:
    """Which file was taken for which source, and why each column was."""
    shown: list[RenderableType] = []
    for source in guess.sources:
        rows = table("column", "taken from", "why")
        for column in source.columns:
            unsure = "" if column.sure else " [yellow](unsure: left as a comment)[/]"
            rows.add_row(column.name, escape(short(column.value, 80)), escape(column.why) + unsure)
        shown += section(f"{source.path} -> {source.source}", rows)
        if source.attributes:
            shown.append(Text(f"attributes: {', '.join(source.attributes)}"))
    unused = [f"{path}: nothing was made of it" for path in guess.unused]
    notes = [*guess.notes, *unused]
    return Group(*shown, *(section("Worth a look", bullets(notes)) if notes else []))


def contract_report(report: Report, quarantine_folder: Path) -> RenderableType:
    """What each source delivered, what was left out and why, and what looks wrong across the sources."""
    rows = table("source", "rows read>", "good>", "quarantined>", "from", "to", "place")
    for source in report.sources:
        rows.add_row(
            source.name,
            f"{source.rows_read:,}",
            f"{source.rows_good:,}",
            f"{source.rows_quarantined:,}",
            (source.first_at or UNKNOWN)[:10],
            (source.last_at or UNKNOWN)[:10],
            escape(short(Path(source.place).name, 40)),
        )
    left_out = [source for source in report.sources if source.rows_quarantined]
    return Group(
        *section("Sources", rows),
        *(section("Left out, and why", _reasons(left_out)) if left_out else []),
        *(section("Warnings", bullets(report.warnings)) if report.warnings else []),
        *(section("Problems", bullets(report.problems)) if report.problems else []),
        _verdict(report, left_out, quarantine_folder),
    )


def _reasons(sources: list[SourceReport]) -> RenderableType:
    rows = table("source", "rows>", "reason", "an example")
    for source in sources:
        for broken in source.quarantined:
            example = broken.example if broken.example != broken.reason else UNKNOWN
            rows.add_row(source.name, f"{broken.count:,}", escape(broken.reason), escape(short(example, 120)))
    return rows


def _verdict(report: Report, left_out: list[SourceReport], folder: Path) -> RenderableType:
    if not report.ok:
        said = f"Refused: {count(len(report.problems), 'problem')} above must be put right before training."
    elif left_out:
        said = "Accepted: the broken rows are left out, the good ones can be used."
    else:
        said = "Accepted: every row keeps its contract."
    where = f"\nThe rows left out are in {folder}, one Parquet file a source, with their reasons." if left_out else ""
    told = f"{count(report.accounts, 'account')}. {said}{where}"
    return Padding(Text(told, style="bold green" if report.ok else "bold red"), (1, 0, 0, 0))


def catalogue(rows: list[dict[str, Any]]) -> RenderableType:
    """Every feature, grouped by component."""
    shown: list[RenderableType] = []
    for component in dict.fromkeys(row["component"] for row in rows):
        mine = [row for row in rows if row["component"] == component]
        listed = table("name", "definition", "unit", "more is", "window")
        for row in mine:
            window = f"{row['days']} days" if row["days"] else "all known"
            definition = short(row["definition"], 200)
            listed.add_row(escape(row["name"]), escape(definition), row["unit"], str(row["more_is"]), window)
        shown += section(f"{component}: {count(len(mine), 'feature')}", listed)
    return Group(*shown, Text(f"\n{count(len(rows), 'feature')} in all."))
