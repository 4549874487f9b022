"""The feature table: the catalogue over the spine, compiled to one scan a source and computed date by date."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue import KEYS, Catalogue
from features.declare import DERIVED, Feature
from features.engine import Engine
from features.replacing import replacing
from features.scans import LONGEST, SCANS, How
from features.sources import Staged

ROWS_AT_ONCE = 150_000
"""Snapshots are computed in groups of about this many rows: the memory knob."""


def build(engine: Engine, staged: Staged, catalogue: Catalogue, spine: str = "spine") -> pa.Table:
    """Every feature for every row of the spine table: account_id, snapshot_at, then one DOUBLE a feature.

    Rows in are rows out (a row given twice comes back twice), ordered by (snapshot_at, account_id); nothing that
    happened at or became known after a row's snapshot is in it. The spine is left as it is.
    """
    parts = [part for _, part in build_parts(engine, staged, catalogue, spine)]
    return pa.concat_tables(parts) if parts else _empty(catalogue)


def write(engine: Engine, staged: Staged, catalogue: Catalogue, path: Path, tell: Callable[[int], None]) -> None:
    """As `build`, into one Parquet file, a group of snapshots at a time; the file appears whole or not at all."""
    with replacing(path) as partial, pq.ParquetWriter(partial, _schema(catalogue), compression="zstd") as file:
        for done, part in build_parts(engine, staged, catalogue):
            file.write_table(part)
            tell(done)


def build_parts(
    engine: Engine, staged: Staged, catalogue: Catalogue, spine: str = "spine"
) -> Iterator[tuple[int, pa.Table]]:
    """As `build`, one group of snapshots at a time: (rows done so far, table of the group)."""
    counted = engine.rows(f"SELECT snapshot_at, COUNT(*) FROM {spine} GROUP BY snapshot_at ORDER BY snapshot_at")
    rows = {day: int(str(n)) for day, n in counted if isinstance(day, datetime)}
    done = 0
    for days in _groups(rows):
        done += sum(rows[day] for day in days)
        within = f"snapshot_at BETWEEN {engine.moment(days[0])} AND {engine.moment(days[-1])}"
        group = f"(SELECT account_id, snapshot_at FROM {spine} WHERE {within})"
        engine.create("wanted", f"SELECT DISTINCT account_id, snapshot_at FROM {group}")
        yield done, _compute(engine, staged, catalogue, days, group)


def _groups(rows: dict[datetime, int]) -> Iterator[list[datetime]]:
    group: list[datetime] = []
    for day, n in rows.items():
        if group and sum(rows[d] for d in group) + n > ROWS_AT_ONCE:
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _compute(engine: Engine, staged: Staged, catalogue: Catalogue, days: list[datetime], group: str) -> pa.Table:
    how = How(per_account=_is_sparse(engine, days), versioned_support=staged.versioned("support"))
    _register_calendar(engine, days, how)
    _register_kinds(engine, catalogue)
    used = [scan for scan in SCANS if any(f.scan == scan for f in catalogue.features)]
    for scan in used:
        features = [f for f in catalogue.features if f.scan == scan]
        engine.create(f"scan_{scan}", _aggregate(features, SCANS[scan](engine, how)))
    return engine.query(_join(catalogue, used, group)).cast(_schema(catalogue))


def _is_sparse(engine: Engine, days: list[datetime]) -> bool:
    """Whether few of all (account, date) pairs are wanted, as with one snapshot before each renewal."""
    wanted, everyone = engine.rows("SELECT (SELECT COUNT(*) FROM wanted), (SELECT COUNT(*) FROM accounts)")[0]
    return 4 * int(str(wanted)) < int(str(everyone)) * len(days)


def _register_calendar(engine: Engine, days: list[datetime], how: How) -> None:
    """One row per (snapshot, day before it): age 1 is the day before; bits number days and weeks."""
    ages = list(range(1, LONGEST + 1))
    calendar = pa.table(
        {
            "age": pa.array(ages, pa.int32()),
            "week": pa.array([(age - 1) // 7 for age in ages], pa.int32()),
            "week_bits": pa.array([1 << (age - 1) // 7 for age in ages], pa.int64()),
            **{
                f"day_bits_{i + 1}": pa.array(
                    [1 << (age - 1) % 28 if (age - 1) // 28 == i else 0 for age in ages], pa.int64()
                )
                for i in range(3)
            },
        }
    )
    engine.register("ages", calendar)
    moments = [(day, (day - timedelta(days=age)).date(), age) for day in days for age in ages]
    engine.register(
        "calendar_days",
        pa.table(
            {
                "snapshot_at": pa.array([m[0] for m in moments], pa.timestamp("us")),
                "day": pa.array([m[1] for m in moments], pa.date32()),
                "age": pa.array([m[2] for m in moments], pa.int32()),
            }
        ),
    )
    query = "SELECT * FROM calendar_days JOIN ages USING (age)"
    if how.per_account:
        query = f"SELECT s.account_id, c.* FROM wanted s JOIN ({query}) c ON c.snapshot_at = s.snapshot_at"
    engine.create("calendar", query)


def _register_kinds(engine: Engine, catalogue: Catalogue) -> None:
    names, families = catalogue.vocabulary.all_events, catalogue.vocabulary.event_names
    engine.register(
        "event_kinds",
        pa.table(
            {
                "event": pa.array(names, pa.string()),
                "kind": pa.array([families.index(n) if n in families else None for n in names], pa.int32()),
                "kind_bits": pa.array([1 << i for i in range(len(names))], pa.int64()),
            }
        ),
    )


def _aggregate(features: list[Feature], scan: str) -> str:
    columns = ",\n".join(f'CAST({f.sql} AS DOUBLE) AS "{f.name}"' for f in features)
    return f"SELECT account_id, snapshot_at,\n{columns}\nFROM ({scan})\nGROUP BY account_id, snapshot_at"


def _join(catalogue: Catalogue, scans: list[str], group: str) -> str:
    """All scans beside a group of spine rows, then the derived features over them; declared order, keys first."""
    plain = [f for f in catalogue.features if f.scan != DERIVED]
    columns = ", ".join(f'{_filled(f)} AS "{f.name}"' for f in plain)
    joins = " ".join(
        f"LEFT JOIN scan_{scan} ON scan_{scan}.account_id = s.account_id AND scan_{scan}.snapshot_at = s.snapshot_at"
        for scan in scans
    )
    derived = [f for f in catalogue.features if f.scan == DERIVED]
    table = f"SELECT s.account_id, s.snapshot_at, {columns} FROM {group} s {joins}"
    for f in derived:
        table = f'SELECT *, CAST({f.sql} AS DOUBLE) AS "{f.name}" FROM ({table})'
    order = ", ".join(f'"{name}"' for name in (*KEYS, *catalogue.names))
    return f"SELECT {order} FROM ({table}) ORDER BY snapshot_at, account_id"


def _filled(feature: Feature) -> str:
    column = f'scan_{feature.scan}."{feature.name}"'
    return column if feature.empty is None else f"COALESCE({column}, CAST({feature.empty} AS DOUBLE))"


def _schema(catalogue: Catalogue) -> pa.Schema:
    keys = [pa.field("account_id", pa.string()), pa.field("snapshot_at", pa.timestamp("us"))]
    return pa.schema([*keys, *(pa.field(name, pa.float64()) for name in catalogue.names)])


def _empty(catalogue: Catalogue) -> pa.Table:
    return _schema(catalogue).empty_table()
