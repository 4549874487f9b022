"""The feature table: the catalogue over the spine, compiled to one scan a source and computed date by date."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import calendar, ranks
from features.catalogue import KEYS, NUMBER, Catalogue
from features.engine import Engine
from features.joined import computed
from features.replacing import replacing
from features.scans import How
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
        yield part.done, part.fetch(engine).cast(schema(catalogue))


def write(parts: Iterable[pa.Table], columns: pa.Schema, path: Path) -> None:
    """Write the parts of a feature table into one Parquet file, one after the other; it appears whole or not at all."""
    about = {"compression": "zstd", "write_statistics": list(KEYS)}  # nobody looks rows up by a feature
    with replacing(path) as partial, pq.ParquetWriter(partial, columns, **about) as file:
        for part in parts:
            file.write_table(part)
            del part  # while the next one is computed


@dataclass(frozen=True)
class Part:
    """A group of snapshots that is computed: `sql` gives its rows as `build` does; `done` rows are computed so far.

    Where a `_row` comes with them it is their number, in whose order `fetch` has them; they mostly lie in it.
    """

    days: tuple[datetime, ...]
    sql: str
    done: int

    def fetch(self, engine: Engine) -> pa.Table:
        """The rows, in order."""
        table = engine.query(self.sql)
        if NUMBER not in table.column_names:
            return table
        numbers = table[NUMBER].to_numpy()
        if (np.diff(numbers) < 0).any():
            table = table.take(np.argsort(numbers))
        return table.drop_columns(NUMBER)


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
    stretches = stretches or _stretches(engine, staged, catalogue, spine, groups)
    about = _about(engine, staged, catalogue, groups)
    calendar.register_kinds(engine, catalogue)
    for days in groups:
        done += sum(rows[day] for day in days)
        within = f"snapshot_at BETWEEN {engine.moment(days[0])} AND {engine.moment(days[-1])}"
        group = f"(SELECT account_id, snapshot_at FROM {spine} WHERE {within})"
        is_sparse = calendar.is_sparse(engine, sum(rows[day] for day in days), len(days))
        how = replace(about, days=tuple(days), per_account=is_sparse)
        if stretches and not is_sparse:
            stretches.forget(days[0])
            how = replace(how, stretches=stretches)
        yield Part(how.days, computed(engine, catalogue, how, group), done)


def accounts_of(engine: Engine, spine: str) -> pa.Array:
    """The accounts of a spine, each once."""
    return engine.query(f"SELECT DISTINCT account_id FROM {spine}")["account_id"].combine_chunks()


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


def _stretches(
    engine: Engine, staged: Staged, catalogue: Catalogue, spine: str, groups: list[list[datetime]]
) -> Stretches | None:
    """Where several groups look at the same usage, it is added up from shared stretches."""
    if len(groups) < 2 or engine.name != "duckdb" or "usage" not in staged.sources or staged.versioned("usage"):
        return None
    days = [day for group in groups for day in group]
    return Stretches(engine, days, accounts_of(engine, spine), days[0], catalogue)


def schema(catalogue: Catalogue) -> pa.Schema:
    """The columns of a feature table: account_id, snapshot_at, then one DOUBLE a feature."""
    keys = [pa.field("account_id", pa.string()), pa.field("snapshot_at", pa.timestamp("us"))]
    return pa.schema([*keys, *(pa.field(name, pa.float64()) for name in catalogue.names)])
