"""An account's way in the terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from retention.journey.state import AccountState
from training.report.layout import bullets, section, table
from training.report.words import UNKNOWN, percent


def state(found: AccountState) -> RenderableType:
    """Stage, checklists, renewal and what the account is ready for."""
    head = f"{found.account_id}: {found.stage}, day {found.age_days}, as of {found.as_of[:10]}"
    told = [part for phase in found.phases for part in _phase(phase)]
    return Group(Text(head, style="bold"), *told, *section("Besides", bullets(_besides(found))))


def _phase(phase: dict[str, Any]) -> list[RenderableType]:
    made = table("", "Item", "What", "Told by", "Done", "Due")
    for item in phase["items"]:
        made.add_row(
            _mark(item),
            item["item"],
            item["title"],
            item["by"] or item["told_by"],
            (item["at"] or UNKNOWN)[:10],
            f"[red]{item['due_at'][:10]}[/red]" if item["is_overdue"] else item["due_at"][:10],
        )
    return section(f"{phase['title']}: {percent(phase['complete'], 0)} of what is reached once is done", made)


def _mark(item: dict[str, Any]) -> str:
    if item["is_done"] is None:
        return "?"
    return "[green]x[/green]" if item["is_done"] else "[red]![/red]" if item["is_overdue"] else "·"


def _besides(found: AccountState) -> list[str]:
    told = [f"Next step of the path: {found.next_step}." if found.next_step else "Every step of the path is reached."]
    if found.renewal:
        risks = "; ".join(found.renewal["risks"]) or "none seen"
        told.append(
            f"Renews in {found.renewal['days_to_renewal']:g} days ({found.renewal['renews_at'][:10]}); risks: {risks}."
        )
    if found.expansion:
        missing = "; ".join(found.expansion_missing)
        told.append(
            f"Ready for more: {'; '.join(found.expansion)}" + (f", but not yet: {missing}." if missing else ".")
        )
    if found.advocate:
        told.append(f"Advocate: {found.advocate}.")
    if found.next_touch_at:
        told.append(f"Next touch due {found.next_touch_at[:10]}.")
    return told
