"""What the newest retention report says of each account: its rows alone, so that they are found without the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from serving.store.bulk import insert_rows
from serving.store.records import columns, first
from serving.store.tables import reported

Rows = dict[str, dict[str, list[dict[str, Any]]]]
"""Rows by the ids of chapter and block."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """An account's rows in the report as of a moment, in the report's order; a block that does not name it is absent.

    `as_of` is the moment that the rows speak of, `measured_at` when they were computed.
    """

    account_id: str
    as_of: datetime
    measured_at: datetime
    chapters: Rows


def keep(db: Connection, body: Mapping[str, Any], *, as_of: datetime, at: datetime) -> None:
    """Keep the rows of a report (see `retention.blocks.Report.as_json`) in place of those of the one before."""
    told = {"as_of": as_of, "measured_at": at}
    db.execute(delete(reported))
    rows = _by_account(body)
    insert_rows(db, reported, ({"account_id": name, **told, "chapters": held} for name, held in rows.items()))


def of(db: Connection, account_id: str) -> Reported | None:
    """What the newest report says of an account; None where it does not name it, or nothing is measured yet."""
    return first(db, Reported, select(*columns(Reported, reported)).where(reported.c.account_id == account_id))


def _by_account(body: Mapping[str, Any]) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for chapter in body["chapters"]:
        for block in chapter["blocks"]:
            for row in block["rows"] if block["account"] else ():
                mine = found.setdefault(row[block["account"]], {}).setdefault(chapter["id"], {})
                mine.setdefault(block["id"], []).append(row)
    return found
