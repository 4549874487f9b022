"""DuckDB, the embedded engine: register a table, run a query, save a result.

Spark is another class with these methods (`features.spark.engine`); the SQL text handed to both is the same, but for
the words of `features.dialect`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from features.dialect import Dialect, quoted
from features.errors import SourceError
from features.replacing import replacing

if TYPE_CHECKING:
    from features.sources.memory import Memory


class Engine(Dialect):
    """One DuckDB database, session time zone UTC: in memory, or in a temporary file, where it can spill."""

    name = "duckdb"
    remembered: "Mapping[str, Memory]" = MappingProxyType({})
    """By source what was found out earlier about its files, where they are many (`features.sources.memory`)."""

    def __init__(self, folder: Path | None, memory_limit: str) -> None:
        self.folder = folder
        self.db = duckdb.connect(folder / "work.duckdb" if folder else ":memory:")
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute("SET python_enable_replacements = false")
        self.db.execute("SET preserve_insertion_order = false")
        self.db.execute("PRAGMA disable_checkpoint_on_shutdown")  # the file goes with the engine
        if self.db.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
            self.db.execute("SET enable_progress_bar = false")  # refused in Jupyter without ipywidgets, where it is off
        self.db.execute(f"SET memory_limit = '{memory_limit}'")
        if folder:
            self.db.execute("SET temp_directory = ?", [str(folder)])

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table a table of the engine, replacing one of that name."""
        self.db.register("_incoming", table)
        self.db.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM _incoming')
        self.db.unregister("_incoming")

    def lend(self, name: str, table: pa.Table) -> None:
        """As `register`, but the table is read where it lies."""
        self.db.register(name, table)

    def stream(self, name: str, batches: pa.RecordBatchReader) -> None:
        """Make a stream of Arrow batches a table of the engine, a batch at a time."""
        self.db.register("_incoming", batches)
        try:
            self.create(name, "SELECT * FROM _incoming")
        finally:
            self.db.unregister("_incoming")

    def create(self, name: str, query: str) -> None:
        """Keep a query's result as a table, replacing one of that name."""
        self.run(f'CREATE OR REPLACE TABLE "{name}" AS {query}')

    def hold(self, name: str, query: str) -> None:
        """As `create`, for what is dropped or replaced before long: neither logged nor compressed."""
        self.run(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {query}')

    def view(self, name: str, query: str) -> None:
        """Name a query; it is computed anew whenever the name is read."""
        self.run(f'CREATE OR REPLACE VIEW "{name}" AS {query}')

    def append(self, name: str, query: str) -> None:
        """Add a query's rows to a table."""
        self.run(f'INSERT INTO "{name}" {query}')

    def drop(self, name: str) -> None:
        """Forget a table or view."""
        [(kind,)] = self.rows(f"SELECT table_type FROM information_schema.tables WHERE table_name = '{quoted(name)}'")
        self.run(f'DROP {"VIEW" if kind == "VIEW" else "TABLE"} "{name}"')

    def types(self, query: str) -> dict[str, str]:
        """The columns of a query's result with their SQL types, as DuckDB calls them."""
        return {str(row[0]): str(row[1]) for row in self.rows(f"DESCRIBE {query}")}

    def query(self, sql: str) -> pa.Table:
        """Run a query and return its rows."""
        try:
            table: pa.Table = self.db.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise SourceError(str(error)) from error
        return table

    def batches(self, sql: str, rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        """Run a query and return its rows in batches, of which one at a time is in memory."""
        try:
            yield from self.db.sql(sql).to_arrow_reader(rows)
        except (duckdb.Error, pa.ArrowException) as error:
            raise SourceError(str(error)) from error

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Run a small query and return its rows as tuples."""
        fetched: list[tuple[object, ...]] = self.run(sql).fetchall()
        return fetched

    def save(self, sql: str, path: Path) -> None:
        """Write a query's rows to one Parquet file, whole or not at all."""
        with replacing(path) as partial:
            self.run(f"COPY ({sql}) TO '{quoted(str(partial))}' (FORMAT parquet, COMPRESSION zstd)")

    def run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute one statement.

        Raises:
            SourceError: the engine refused it, with its own words.
        """
        try:
            return self.db.execute(sql)
        except duckdb.Error as error:
            raise SourceError(str(error)) from error


@contextmanager
def open_engine(home: Path, *, memory_limit: str = "3GB") -> Iterator[Engine]:
    """An engine whose working file lies in a folder of its own under `home` and goes with it."""
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="work-", dir=home) as folder:
        engine = Engine(Path(folder), memory_limit)
        try:
            yield engine
        finally:
            engine.db.close()


def small_engine(memory_limit: str = "512MB") -> Engine:
    """An engine in memory with one thread, for the rows of a few accounts; `engine.db.close()` ends it.

    A query over so few rows takes as long as it takes to plan; without optimising that is a seventh less.
    """
    engine = Engine(None, memory_limit)
    engine.run("SET threads = 1")
    engine.run("PRAGMA disable_optimizer")
    return engine
