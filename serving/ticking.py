"""Ticking an item of a checklist: checked against retention.toml, kept in the store."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from retention.journey.checklist import Tick
from retention.journey.ways import Phase
from serving.errors import ServingError
from serving.store import checks
from serving.store.checks import Check


def tick(db: Connection, phases: Mapping[str, Phase], check: Check, *, now: datetime) -> bool:
    """Tick an item, or take a tick back; whether anything changed.

    Raises:
        ServingError: no phase has such an item, or the item is read from the data alone.
    """
    items = {f"{name}.{key}": item for name, phase in phases.items() for key, item in phase.items.items()}
    if check.item not in items:
        raise ServingError(f"{check.item} is no item of a phase in retention.toml; there is {', '.join(items)}")
    if items[check.item].when is not None:
        raise ServingError(f"{check.item} is read from the data as it stands; there is nothing to tick")
    return checks.tick(db, check, now=now)


def ticked(db: Connection, account_id: str) -> dict[str, Tick]:
    """The last word on each item of an account, whatever day a report speaks of."""
    said = reversed(checks.history(db, account_id))
    return {check.item: Tick(at=check.at, by=check.by, is_done=check.is_done) for check in said}
