"""The engine that a configuration asks for."""

from collections.abc import Iterator
from contextlib import contextmanager

from features.config import Settings
from features.engine import Engine, open_engine


@contextmanager
def engine_for(settings: Settings, *, memory_limit: str = "3GB") -> Iterator[Engine]:
    """DuckDB with its working file under the home folder and that much memory, or the company's Spark.

    Raises:
        SourceError: Spark cannot be had (see `features.spark.session.open_session`).
    """
    if settings.engine == "spark":
        from features.spark.engine import open_spark

        with open_spark(settings) as spark:
            yield spark
    else:
        with open_engine(settings.home_dir, memory_limit=memory_limit) as duckdb:
            yield duckdb
