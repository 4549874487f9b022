"""The whole feature catalogue on Spark against DuckDB: the same declarations, the same cells, the price in time.

One company's Parquet files, staged and computed by both engines in turn, several rounds, in one process: Spark as
`local[2]` in one Java process that is warm from a first round, which is not counted. Time is of staging (every row
judged) and of the features, to the table in memory; CPU is of Java and Python together.

    python -P benchmarks/spark.py                 # a table; --json for machines
    python -P benchmarks/spark.py --rows 1000000 --rounds 3      # usage events, and rounds
"""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter

import psutil
import pyarrow as pa

from benchmarks.tools import company
from benchmarks.tools.told import Column, Round, at_most, claim, show, table
from features.config import Settings, load
from features.engine import Engine
from features.engines import engine_for

ROWS, ROUNDS, A_ROW = 300_000, 5, 150
"""Usage events, rounds that count, and events an account."""
SNAPSHOTS = [company.END - timedelta(days=28 * back) for back in range(5, -1, -1)]
COLUMNS = {
    "features": Column("features", 1, ",.0f"),
    "rows": Column("rows", 1, ",.0f"),
    "staging": Column("staging s", 1, ",.1f"),
    "building": Column("features s", 1, ",.1f"),
    "cpu_seconds": Column("CPU seconds", 1, ",.1f"),
}


def main() -> None:
    """Make the company, run the rounds, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="usage events")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        config = company.make(Path(folder), max(20, given.rows // A_ROW), given.rows)
        rounds, differing = compared(load(config), given.rounds)
    claims = [
        at_most("differing cells", differing),
        claim("time of staging against DuckDB", rounds, "spark", "duckdb", "staging", None, more_is_better=False),
        claim("time of features against DuckDB", rounds, "spark", "duckdb", "building", None, more_is_better=False),
        claim("CPU time against DuckDB", rounds, "spark", "duckdb", "cpu_seconds", None, more_is_better=False),
    ]
    show(table(f"{given.rows:,} usage events", rounds, COLUMNS), claims, as_json=given.json)


def compared(settings: Settings, rounds: int) -> tuple[list[Round], int]:
    """What each engine did in each round, and the cells that were ever different."""
    on_spark = settings.model_copy(
        update={"engine": "spark", "spark": settings.spark.model_copy(update={"master": "local[2]"})}
    )
    found: list[Round] = []
    differing = 0
    with warm(on_spark):
        for _ in range(rounds + 1):
            tables, one = {}, {}
            for name, of in (("duckdb", settings), ("spark", on_spark)):
                one[name], tables[name] = measured(of)
            differing += cells(tables["duckdb"], tables["spark"])
            found.append(one)
    return found[1:], differing


def warm(settings: Settings) -> AbstractContextManager[Engine]:
    """Keeps the Java process, and what it compiled, from one round to the next."""
    return engine_for(settings)


def measured(settings: Settings) -> tuple[dict[str, float], pa.Table]:
    """Staging and the whole catalogue at the snapshots, timed."""
    from features.catalogue import declare, discover
    from features.snapshots import spine
    from features.sources import stage
    from features.table import build

    rmtree(settings.home_dir / "known", ignore_errors=True)  # what an earlier round found out about the files
    began, worked = perf_counter(), cpu_seconds()
    with engine_for(settings) as engine:
        staged = stage(settings, engine)
        spine(settings, engine, staged, SNAPSHOTS)
        words = discover(engine, staged, known_by=SNAPSHOTS[0], max_events=settings.features.max_events)
        catalogue = declare(staged, words)
        staging, began = perf_counter() - began, perf_counter()
        found = build(engine, staged, catalogue)
        building = perf_counter() - began
    took = {"staging": staging, "building": building, "cpu_seconds": cpu_seconds() - worked}
    return {"features": len(catalogue.names), "rows": found.num_rows, **took}, found


def cpu_seconds() -> float:
    """Processor time of this process and of those it started, Java among them."""
    here = psutil.Process()
    times = [one.cpu_times() for one in (here, *here.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def cells(one: pa.Table, other: pa.Table) -> int:
    """Cells of two tables that differ in value or nullness; all of them where names, types or rows do."""
    if not one.schema.equals(other.schema) or one.num_rows != other.num_rows:
        return max(one.num_rows, other.num_rows) * max(one.num_columns, other.num_columns)
    return sum(_differing(one[name].to_pylist(), other[name].to_pylist()) for name in one.column_names)


def _differing(some: Sequence[object], others: Sequence[object]) -> int:
    return sum(not (a == b or (a != a and b != b)) for a, b in zip(some, others, strict=True))


if __name__ == "__main__":
    main()
