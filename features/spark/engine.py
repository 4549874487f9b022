"""Spark as an engine: the methods of `features.engine.Engine` on a session.

A table that is kept is computed once, at once, and held by the executors, in memory or on their disks, each part by
two of them. A view is computed whenever it is read. Nothing is written anywhere else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.config import Settings
from features.engine import Engine
from features.errors import SourceError
from features.replacing import replacing
from features.spark.dialect import SparkDialect
from features.spark.session import open_session

if TYPE_CHECKING:
    from pyspark import StorageLevel
    from pyspark.sql import DataFrame, SparkSession

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""What an executor does with the batches of a part of a table."""

TYPES = {
    "string": "VARCHAR",
    "int": "INTEGER",
    "timestamp_ntz": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "binary": "BLOB",
}
"""Spark's names of types that DuckDB, and so the staging of raw columns, calls otherwise."""


class SparkEngine(SparkDialect, Engine):
    """One Spark session with the tables made in it, which go with it."""

    name = "spark"

    def __init__(self, session: "SparkSession") -> None:
        self.session = session
        self.folder = None
        self.remembered = {}
        self._level = _storage(session)

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table a table of the engine, replacing one of that name."""
        self.frame(name, lambda session: session.createDataFrame(table))

    def frame(self, name: str, read: "Callable[[SparkSession], DataFrame]") -> None:
        """Name what is read from the session; it is read anew whenever the name is."""
        self._attempt(lambda: read(self.session).createOrReplaceTempView(name))

    def create(self, name: str, query: str) -> None:
        """Keep a query's result as a table, replacing one of that name, which the query may read."""

        def keep(session: "SparkSession") -> "DataFrame":
            return session.sql(query).localCheckpoint(True, self._level)

        self.frame(name, keep)

    def hold(self, name: str, query: str) -> None:
        """As `create`: all tables here are for a while."""
        self.create(name, query)

    def view(self, name: str, query: str) -> None:
        """Name a query; it is computed anew whenever the name is read."""
        self._sql(f'CREATE OR REPLACE TEMPORARY VIEW "{name}" AS {query}')

    def append(self, name: str, query: str) -> None:
        """Add a query's rows to a table: what it held and they become the table of that name."""
        self.create(name, f'SELECT * FROM "{name}" UNION ALL {query}')

    def drop(self, name: str) -> None:
        """Forget a table or view."""
        self._attempt(lambda: self.session.catalog.dropTempView(name))

    def types(self, query: str) -> dict[str, str]:
        """The columns of a query's result with their SQL types, as DuckDB calls them."""
        return {name: TYPES.get(kind, kind.upper()) for name, kind in self._sql(query).dtypes}

    def query(self, sql: str) -> pa.Table:
        """Run a query and return its rows."""
        table: pa.Table = self._attempt(lambda: self._sql(sql).toArrow())
        return table

    def through(
        self, sql: str, task: "Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]", more: str
    ) -> pa.Table:
        """Run a query, and its batches through a function where they are; `more` are the columns that it appends."""

        def run() -> pa.Table:
            frame = self.session.sql(sql)
            known = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in frame.schema)
            return frame.mapInArrow(task, f"{known}, {more}").toArrow()

        return self._attempt(run)

    def batches(self, sql: str, rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        """Run a query and return its rows in batches; all of them are in memory at once."""
        yield from self.query(sql).to_batches(rows)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Run a small query and return its rows as tuples."""
        return [tuple(row) for row in self._attempt(lambda: self._sql(sql).collect())]

    def save(self, sql: str, path: Path) -> None:
        """Write a query's rows to one Parquet file of this machine, whole or not at all."""
        with replacing(path) as partial:
            pq.write_table(self.query(sql), partial, compression="zstd")

    def run(self, sql: str) -> Any:
        """Refuse a statement that is DuckDB's own.

        Raises:
            SourceError: always.
        """
        verb = " ".join(sql.split()[:3])
        raise SourceError(
            f'engine = "spark" cannot do this ({verb} …): it is computed on DuckDB alone. Features, training and '
            'scores run on Spark; for the rest use a configuration with engine = "duckdb"'
        )

    def stream(self, name: str, batches: pa.RecordBatchReader) -> None:
        """Make a stream of Arrow batches a table of the engine."""
        self.register(name, batches.read_all())

    def _sql(self, text: str) -> "DataFrame":
        found: DataFrame = self._attempt(lambda: self.session.sql(text))
        return found

    @staticmethod
    def _attempt(job: Callable[[], Any]) -> Any:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            return job()
        except (PySparkException, Py4JError) as error:
            raise SourceError(_told(error)) from error


def _storage(session: "SparkSession") -> "StorageLevel":
    """In memory or on disk, and on a cluster with two executors, so that one may be lost."""
    from pyspark import StorageLevel

    alone = str(session.conf.get("spark.master", "")).startswith("local")
    return StorageLevel.MEMORY_AND_DISK if alone else StorageLevel.MEMORY_AND_DISK_2


def _told(error: Exception) -> str:
    """What went wrong, in one line; a column that is not there in the words that DuckDB has for it."""
    condition = getattr(error, "getCondition", lambda: None)() or ""
    if condition.startswith("UNRESOLVED_COLUMN"):
        parameters: dict[str, str] = getattr(error, "getMessageParameters", dict)() or {}
        return f'Referenced column "{parameters.get("objectName", "").replace("`", "")}" not found'
    java = getattr(error, "java_exception", None)
    text = str(java.getMessage()) if java is not None else str(error)
    if "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND" in text or "Checkpoint block" in text:
        return "Spark lost all workers that held a table; nothing was written; when workers are back, run it again"
    return f"Spark: {text.strip().splitlines()[0] if text.strip() else type(error).__name__}"


@contextmanager
def open_spark(settings: Settings) -> Iterator[SparkEngine]:
    """An engine on the company's Spark (see `open_session`)."""
    with open_session(settings) as session:
        yield SparkEngine(session)
