"""The list of accounts as a CSV file without formulas."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from io import StringIO
from typing import Any

from starlette.responses import Response, StreamingResponse

from serving.delivery.csv_file import safe
from serving.pages.door import HEADERS, Visit
from serving.pages.filters import asked, filters_of
from serving.store import Store, accounts, runs
from serving.store.accounts import Filters, Sort

EXPORTED = (
    *("account_id", "name", "segment", "owner", "health_score", "tier", "risk_level", "churn_probability"),
    *("churn_probability_low", "churn_probability_high", "yearly_value", "value_at_risk", "renewal_at", "driver"),
    *("top_driver_1", "top_driver_2", "top_driver_3", "previous_health", "previous_tier", "changed_at", "is_stale"),
    "disagrees",
)
"""Columns of the export: the stored score's own, unrounded."""


def export(visit: Visit) -> Response:
    """GET /accounts.csv: all accounts that pass the filters, in the order of the list."""
    ask = asked(visit.query)
    with visit.context.store.read() as db:
        run = runs.latest(db)
    lines = _lines(visit.context.store, filters_of(ask, run), ask.sort) if run else iter([line(EXPORTED)])
    name = f"accounts-{run.as_of:%Y-%m-%d}.csv" if run else "accounts.csv"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, headers=headers, media_type="text/csv")


def _lines(store: Store, filters: Filters, sort: Sort) -> Iterator[str]:
    yield line(EXPORTED)
    cursor = None
    while True:
        with store.read() as db:
            page = accounts.page(db, filters, sort=sort, limit=accounts.MOST, cursor=cursor)
        for score in page.accounts if page else ():
            held = asdict(score)
            yield line([_cell(held[name]) for name in EXPORTED])
        cursor = page.cursor if page else None
        if cursor is None:
            return


def _cell(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else value


def line(cells: Sequence[Any]) -> str:
    """A line of a CSV file; what a spreadsheet would run as a formula is made harmless."""
    text = StringIO()
    csv.writer(text).writerow([safe(cell) for cell in cells])
    return text.getvalue()
