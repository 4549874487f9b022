"""One company on both engines: staged, looked at and compared cell by cell."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features import snapshots, table
from features.catalogue import declare, discover
from features.config import load
from features.contracts import SOURCES
from features.engine import Engine, open_engine
from features.sources import Staged, StagedSource, stage
from features.sources.counting import COPIES_UP_TO
from features.spark.engine import SparkEngine

NOW = datetime(2026, 1, 1)


class Both:
    """A company on DuckDB and on Spark."""

    def __init__(self, toml: Path, duckdb: Engine, spark: Engine) -> None:
        self.settings = load(toml)
        on_spark = self.settings.model_copy(update={"engine": "spark"})
        self.engines = duckdb, spark
        self.staged: list[Staged] = [
            stage(settings, engine, now=NOW)
            for settings, engine in zip((self.settings, on_spark), self.engines, strict=True)
        ]

    def rows(self, sql: str) -> list[list[tuple[Any, ...]]]:
        """A query's rows on each engine, in an order of their own."""
        return [sorted((tuple(row.values()) for row in e.query(sql).to_pylist()), key=repr) for e in self.engines]

    def tables(self, name: str) -> list[pa.Table]:
        """A source's rows on each engine, in an order of their own and with DuckDB's types."""
        here, there = (engine.query(f'SELECT * FROM "{name}"') for engine in self.engines)
        assert here.column_names == there.column_names
        order = [(column, "ascending") for column in here.column_names]
        return [here.sort_by(order), there.cast(here.schema).sort_by(order)]

    def told(self) -> list[list[tuple[Any, ...]]]:
        """Per engine what staging says of each source: rows, span, copies, and how many broke which rule."""
        return [[_told(source) for source in staged.sources.values()] for staged in self.staged]

    def features(self, dates: list[datetime] | None = None) -> list[pa.Table]:
        """The whole catalogue at these dates, at those of the configuration, or before each renewal."""
        found = []
        for engine, staged in zip(self.engines, self.staged, strict=True):
            first, last = snapshots.span(engine, staged)
            if self.settings.snapshots.before_renewal_days is not None:
                snapshots.renewal_spine(self.settings, engine, staged, first, last)
            else:
                days = dates or snapshots.grid(self.settings, first, last)
                snapshots.spine(self.settings, engine, staged, days)
            words = discover(engine, staged, known_by=NOW, max_events=10)
            found.append(table.build(engine, staged, declare(staged, words)))
        return found


def _told(source: StagedSource) -> tuple[Any, ...]:
    broken = sorted((broken.reason, broken.count) for broken in source.quarantined)
    copies = source.copies if source.rows_good <= COPIES_UP_TO else "a sample of hashes, which are the engine's own"
    return source.name, source.columns, source.rows_read, source.rows_good, source.first_at, copies, broken


def differing(one: pa.Table, other: pa.Table) -> list[str]:
    """Cells of two tables that are not the same value, or not both null, or not both NaN."""
    told = []
    for name in one.column_names:
        pairs = zip(one[name].to_pylist(), other[name].to_pylist(), strict=True)
        told += [f"{name}[{i}]: {a!r} {b!r}" for i, (a, b) in enumerate(pairs) if not (a == b or (a != a and b != b))]
    return told


@pytest.fixture
def on_both(spark: Any, tmp_path: Path) -> Iterator[Callable[[Path], Both]]:
    """Stage the company of a keepwell.toml on both engines."""
    with ExitStack() as stack:
        yield lambda toml: Both(
            toml, stack.enter_context(open_engine(tmp_path / "home")), SparkEngine(spark.newSession())
        )


@pytest.fixture
def same(on_both: Callable[[Path], Both]) -> Callable[..., pa.Table]:
    """Stage a company on both engines and compare all: staged rows, counts, and the whole catalogue."""

    def check(toml: Path, dates: list[datetime] | None = None) -> pa.Table:
        both = on_both(toml)
        duckdb, spark = both.told()
        assert duckdb == spark
        for name in SOURCES:
            one, other = both.tables(name)
            assert one.equals(other), name
        one, other = both.features(dates)
        assert one.schema.equals(other.schema)
        assert differing(one, other) == []
        return one

    return check
