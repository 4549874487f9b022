"""The store's past as Arrow tables, for measurements over it."""

from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Select, func, select

from retention.inputs import KEPT
from serving.store.runs import last_written
from serving.store.tables import checks, decisions, facts, holdouts, interventions, runs, score_details, scores, signs

SOURCES: dict[str, Any] = {
    "sign_history": signs,
    "decision_history": decisions,
    "play_history": interventions,
    "check_history": checks,
    "fact_history": facts,
}
ROWS_AT_ONCE = 10_000


def tables(db: Connection, *, until: datetime) -> dict[str, pa.Table]:
    """The tables of `retention.inputs.KEPT`, up to a moment; shadow runs are left out."""
    found = {"score_history": _table(db, _scores(until), "score_history")}
    found["driver_history"] = _drivers(db, until)
    held = select(holdouts.c.account_id, holdouts.c.arm, holdouts.c.drawn_at.label("at"))
    found["holdout_history"] = _table(db, held.where(holdouts.c.drawn_at <= until), "holdout_history")
    for name, table in SOURCES.items():
        query = select(*(table.c[column] for column in KEPT[name])).where(table.c.at <= until).order_by(table.c.id)
        found[name] = _table(db, query, name)
    return found


def _scores(until: datetime) -> Select[Any]:
    columns = [(runs if name == "as_of" else scores).c[name] for name in KEPT["score_history"]]
    query = select(*columns).join_from(runs, scores).where(runs.c.id.in_(last_written()))
    return query.where(runs.c.as_of <= until)


def _drivers(db: Connection, until: datetime) -> pa.Table:
    """The drivers that raised each account's risk in the newest run, as its page tells them."""
    newest = select(func.max(runs.c.as_of)).where(runs.c.id.in_(last_written()), runs.c.as_of <= until)
    query = (
        select(score_details.c.account_id, runs.c.as_of, score_details.c.detail)
        .join_from(runs, score_details, runs.c.id == score_details.c.run_id)
        .where(runs.c.id.in_(last_written()), runs.c.as_of == newest.scalar_subquery())
    )
    rows = [
        {
            "account_id": account,
            "as_of": at,
            "driver": driver["id"],
            "title": driver["title"],
            "owners": ", ".join(driver["owners"]),
            "log_odds": driver["log_odds"],
        }
        for account, at, detail in db.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
        for driver in detail.get("policy_drivers", [])
    ]
    return pa.Table.from_pylist(rows, pa.schema(list(KEPT["driver_history"].items())))


def _table(db: Connection, query: Select[Any], name: str) -> pa.Table:
    schema = pa.schema(list(KEPT[name].items()))
    result = db.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
    batches = []
    for part in result.partitions():
        columns = zip(*part, strict=True)
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, schema.types, strict=True)]
        batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)
