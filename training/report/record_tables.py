"""Decision records in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.markup import escape

from retention.records.markdown import in_words
from serving.store.kept_records import Version
from training.report.layout import table


def line(one: Version) -> dict[str, Any]:
    """A record in a line."""
    given = one.body["document"]
    return {
        "id": one.id,
        "title": given["title"],
        "state": one.state,
        "version": one.version,
        "at": one.at,
        "owner": given["frame"]["owner"],
        "selected": given["commit"]["selected"],
        "reversal_signals": given["commit"]["reversal_signals"],
    }


def records(found: Sequence[Version]) -> RenderableType:
    """All records, the last changed first."""
    if not found:
        return "No decision is on record; `keepwell record new FILE` begins one."
    made = table("Record", "Title", "State", "Version>", "Changed", "Owner", "Selected", "Signals")
    for one in map(line, found):
        told = (one["id"], one["title"], one["state"], str(one["version"]), f"{one['at']:%Y-%m-%d}", one["owner"])
        made.add_row(*map(escape, told), one["selected"], escape("; ".join(one["reversal_signals"])))
    return made


def said(one: Version) -> str:
    """What just happened to a record, in a line."""
    what = in_words(one.body["happened"]) or f"{one.body['document']['commit']['selected']} selected"
    return f"{one.id}, version {one.version}: {one.event}, now {one.state}; {what}."
