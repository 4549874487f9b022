"""A group of snapshots computed: every scan of it a table or a view, and all of them beside the rows of the spine."""

import pyarrow as pa
import pyarrow.compute as pc

from features import calendar
from features.catalogue import KEYS, NUMBER, Catalogue
from features.declare import DERIVED, Feature
from features.engine import Engine
from features.scans import LAID, READ_ONCE, SCANS, USAGE, WIDE, How

PAIR = " AND ".join(f"{{0}}.{key} = {{1}}.{key}" for key in KEYS)
"""Condition that rows of two relations are about the same account and snapshot."""


def computed(engine: Engine, catalogue: Catalogue, how: How, group: str) -> str:
    """SQL of the features of a group's rows, over tables that are made now.

    Rows come in order; if nothing but laid scans is beside them, in any order with their number `_row`.

    Args:
        engine: with the staged sources.
        catalogue: the features.
        how: the snapshots and what is to know of the sources.
        group: SQL of the spine's rows, account_id and snapshot_at.
    """
    wanted = (*catalogue.steps, *catalogue.features)
    used = [scan for scan in SCANS if any(f.scan == scan for f in wanted)]
    laid = [scan for scan in used if how.is_laid(scan)]
    rows = _lay(engine, catalogue, how, laid, group) if laid else group
    joined = [scan for scan in used if scan not in laid]
    if joined:
        engine.hold("wanted", f"SELECT DISTINCT account_id, snapshot_at FROM {group}")
    if not how.shared and not USAGE.isdisjoint(joined):
        calendar.register(engine, how)
    for scan in joined:
        values = _values([f for f in wanted if f.scan == scan])
        grouped = "" if scan in WIDE else "GROUP BY account_id, snapshot_at"
        keep = engine.view if scan in READ_ONCE else engine.hold
        keep(f"scan_{scan}", f"SELECT account_id, snapshot_at, {values} FROM ({SCANS[scan](engine, how)}) {grouped}")
    return _join(catalogue, rows, laid, joined)


def _lay(engine: Engine, catalogue: Catalogue, how: How, scans: list[str], group: str) -> str:
    """Make the view `LAID` of the features of scans made of stretches, and give SQL of them for the group's rows."""
    assert how.stretches
    rows, days, done = engine.query(group), [], 0
    for day in how.days:
        of_day = rows.filter(pc.field("snapshot_at") == pa.scalar(day, pa.timestamp("us"))) if how.days[1:] else rows
        days.append(how.stretches.lay(scans, day, of_day["account_id"].combine_chunks(), done))
        done += len(of_day)
    engine.lend("laid", pa.concat_tables(days))
    columns = ", ".join(column for scan in scans for column in how.stretches.made_of(scan))
    values = _values([f for f in (*catalogue.steps, *catalogue.features) if f.scan in scans])
    numbered = f"SELECT account_id, snapshot_at, {NUMBER}, {columns} FROM laid WHERE {NUMBER} IS NOT NULL"
    engine.view(LAID, f"SELECT account_id, snapshot_at, {NUMBER}, {values} FROM ({numbered})")
    if sum(len(day) - day[NUMBER].null_count for day in days) == len(rows):
        return LAID
    return f"(SELECT l.* FROM {group} g JOIN {LAID} l ON {PAIR.format('l', 'g')})"  # some are wanted twice


def _values(features: list[Feature]) -> str:
    return ",\n".join(f'CAST({f.sql} AS DOUBLE) AS "{f.name}"' for f in features)


def _join(catalogue: Catalogue, rows: str, laid: list[str], joined: list[str]) -> str:
    """All scans beside the rows, then the derived features over them; declared order, keys first."""
    plain = [f for f in (*catalogue.steps, *catalogue.features) if f.scan != DERIVED]
    columns = ", ".join(f'{_filled(f, "s" if f.scan in laid else f"scan_{f.scan}")} AS "{f.name}"' for f in plain)
    joins = " ".join(f"LEFT JOIN scan_{scan} ON {PAIR.format(f'scan_{scan}', 's')}" for scan in joined)
    derived = [f'CAST({f.sql} AS DOUBLE) AS "{f.name}"' for f in catalogue.features if f.scan == DERIVED]
    keys = (*KEYS, NUMBER) if laid else KEYS
    table = f"SELECT {', '.join(f's.{key}' for key in keys)}, {columns} FROM {rows} s {joins}"
    if derived:
        table = f"SELECT *, {', '.join(derived)} FROM ({table})"
    names = ", ".join(f'"{name}"' for name in (*KEYS, *catalogue.names))
    if laid and not joined:
        return f"SELECT {names}, {NUMBER} FROM ({table})"
    return f"SELECT {names} FROM ({table}) ORDER BY {NUMBER if laid else 'snapshot_at, account_id'}"


def _filled(feature: Feature, scan: str) -> str:
    column = f'{scan}."{feature.name}"'
    return column if feature.empty is None else f"COALESCE({column}, CAST({feature.empty} AS DOUBLE))"
