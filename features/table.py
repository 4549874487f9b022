"""The feature table: the catalogue over the spine, compiled to one scan a source and computed date by date."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features import calendar, ranks
from features.catalogue import KEYS, Catalogue
from features.declare import DERIVED, Feature
from features.engine import Engine
from features.replacing import replacing
from features.scans import READ_ONCE, SCANS, WIDE, How
from features.sources import Staged
from features.stretches import Stretches

ROWS_AT_ONCE = 60_000
"""Snapshots are computed in groups of at most this many rows: the memory knob. A larger one is computed alone."""
ROWS_AT_ONCE_ON_SPARK = 500_000
"""There a group has the price of some twenty jobs."""


def build(engine: Engine, staged: Staged, catalogue: Catalogue, spine: str = "spine") -> pa.Table:
    """Every feature for every row of the spine table: account_id, snapshot_at, then one DOUBLE a feature.

    Rows in are rows out (a row given twice comes back twice), ordered by (snapshot_at, account_id); nothing that
    happened at or became known after a row's snapshot is in it. The spine is left as it is.
    """
    parts = [part for _, part in build_parts(engine, staged, catalogue, spine)]
    return pa.concat_tables(parts) if parts else schema(catalogue).empty_table()


def build_parts(
    engine: Engine, staged: Staged, catalogue: Catalogue, spine: str = "spine"
) -> Iterator[tuple[int, pa.Table]]:
    """As `build`, one group of snapshots at a time: (rows done so far, table of the group)."""
    for part in compute(engine, staged, catalogue, spine):
        yield part.done, engine.query(part.sql).cast(schema(catalogue))


def write(parts: Iterable[pa.Table], columns: pa.Schema, path: Path) -> None:
    """Write the parts of a feature table into one Parquet file, one after the other; it appears whole or not at all."""
    with replacing(path) as partial, pq.ParquetWriter(partial, columns, compression="zstd") as file:
        for part in parts:
            file.write_table(part)


@dataclass(frozen=True)
class Part:
    """A group of snapshots that is computed: `sql` gives its rows as `build` does; `done` rows are computed so far."""

    days: tuple[datetime, ...]
    sql: str
    done: int


def compute(
    engine: Engine,
    staged: Staged,
    catalogue: Catalogue,
    spine: str = "spine",
    *,
    stretches: Stretches | None = None,
) -> Iterator[Part]:
    """Compute the features of a spine, one group of snapshots at a time; a part's SQL holds until the next one.

    `stretches` are those of the usage, where they are kept; else they are made where several groups share them.
    """
    counted = engine.rows(f"SELECT snapshot_at, COUNT(*) FROM {spine} GROUP BY snapshot_at ORDER BY snapshot_at")
    rows = {day: int(str(n)) for day, n in counted if isinstance(day, datetime)}
    usual = ROWS_AT_ONCE if engine.name == "duckdb" else ROWS_AT_ONCE_ON_SPARK
    groups, done = list(_groups(rows, usual)), 0
    stretches = stretches or _stretches(engine, staged, catalogue, groups)
    about = _about(engine, staged, catalogue, groups)
    for days in groups:
        done += sum(rows[day] for day in days)
        within = f"snapshot_at BETWEEN {engine.moment(days[0])} AND {engine.moment(days[-1])}"
        group = f"(SELECT account_id, snapshot_at FROM {spine} WHERE {within})"
        engine.hold("wanted", f"SELECT DISTINCT account_id, snapshot_at FROM {group}")
        how = replace(about, days=tuple(days), per_account=calendar.is_sparse(engine, days))
        if stretches and not how.per_account:
            stretches.forget(days[0])
            how = replace(how, stretches=stretches)
        yield Part(how.days, _computed(engine, catalogue, how, group), done)


def _groups(rows: dict[datetime, int], most: int) -> Iterator[list[datetime]]:
    group: list[datetime] = []
    for day, n in rows.items():
        if group and sum(rows[d] for d in group) + n > most:
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _about(engine: Engine, staged: Staged, catalogue: Catalogue, groups: list[list[datetime]]) -> How:
    """What holds for all groups; where there are several, rows are ranked once."""
    versioned = frozenset(name for name in staged.sources if staged.versioned(name))
    ranked: frozenset[str] = frozenset()
    if len(groups) > 1:
        ranked = frozenset(f.scan for f in catalogue.features if "recent" in f.sql) - versioned
        ranks.hold(engine, sorted(ranked))
    kinds, spends = len(catalogue.vocabulary.event_names), staged.has("usage", "value")
    return How(versioned, kinds=kinds, spends=spends, ranked=ranked)


def _stretches(engine: Engine, staged: Staged, catalogue: Catalogue, groups: list[list[datetime]]) -> Stretches | None:
    """Where several groups look at the same usage, it is added up from shared stretches."""
    if len(groups) < 2 or engine.name != "duckdb" or "usage" not in staged.sources or staged.versioned("usage"):
        return None
    days = [day for group in groups for day in group]
    return Stretches(engine, days, days[0], catalogue)


def _computed(engine: Engine, catalogue: Catalogue, how: How, group: str) -> str:
    """SQL of a group's rows, over tables that are made now."""
    calendar.register(engine, catalogue, how)
    computed = (*catalogue.steps, *catalogue.features)
    used = [scan for scan in SCANS if any(f.scan == scan for f in computed)]
    for scan in used:
        features = [f for f in computed if f.scan == scan]
        grouped = "" if scan in WIDE else "GROUP BY account_id, snapshot_at"
        rows = SCANS[scan](engine, how)
        keep = engine.view if scan in READ_ONCE else engine.hold
        keep(f"scan_{scan}", f"SELECT account_id, snapshot_at, {_values(features)} FROM ({rows}) {grouped}")
    return _join(catalogue, used, group)


def _values(features: list[Feature]) -> str:
    return ",\n".join(f'CAST({f.sql} AS DOUBLE) AS "{f.name}"' for f in features)


def _join(catalogue: Catalogue, scans: list[str], group: str) -> str:
    """All scans beside a group of spine rows, then the derived features over them; declared order, keys first."""
    plain = [f for f in (*catalogue.steps, *catalogue.features) if f.scan != DERIVED]
    columns = ", ".join(f'{_filled(f)} AS "{f.name}"' for f in plain)
    joins = " ".join(
        f"LEFT JOIN scan_{scan} ON scan_{scan}.account_id = s.account_id AND scan_{scan}.snapshot_at = s.snapshot_at"
        for scan in scans
    )
    derived = [f'CAST({f.sql} AS DOUBLE) AS "{f.name}"' for f in catalogue.features if f.scan == DERIVED]
    table = f"SELECT s.account_id, s.snapshot_at, {columns} FROM {group} s {joins}"
    if derived:
        table = f"SELECT *, {', '.join(derived)} FROM ({table})"
    order = ", ".join(f'"{name}"' for name in (*KEYS, *catalogue.names))
    return f"SELECT {order} FROM ({table}) ORDER BY snapshot_at, account_id"


def _filled(feature: Feature) -> str:
    column = f'scan_{feature.scan}."{feature.name}"'
    return column if feature.empty is None else f"COALESCE({column}, CAST({feature.empty} AS DOUBLE))"


def schema(catalogue: Catalogue) -> pa.Schema:
    """The columns of a feature table: account_id, snapshot_at, then one DOUBLE a feature."""
    keys = [pa.field("account_id", pa.string()), pa.field("snapshot_at", pa.timestamp("us"))]
    return pa.schema([*keys, *(pa.field(name, pa.float64()) for name in catalogue.names)])
