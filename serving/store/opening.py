"""Open a store by its address; read and write it in transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from serving.errors import ServingError
from serving.store.address import parse
from serving.store.columns import dumped
from serving.store.failures import failure
from serving.store.migrate import upgrade

BUSY_SECONDS = 10.0
"""How long a write waits for another's lock, and any call for a free connection."""

POOL = 8
"""Connections kept open; ten more for a rush."""

PRAGMAS = {"foreign_keys": "ON", "secure_delete": "ON", "synchronous": "FULL"}
"""`synchronous=FULL` syncs the write-ahead log at every commit: what was acknowledged survives `kill -9` (as it would
under NORMAL) and a power cut (as it would not). `secure_delete` overwrites what is forgotten."""


@dataclass(frozen=True)
class Store:
    """A database that holds the store's tables. Thread-safe; one a process."""

    engine: Engine
    where: str

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one moment of the store (SQLite) or committed rows (PostgreSQL).

        Raises:
            StoreUnavailable: the database is locked, full or away.
        """
        with self._transaction(self.engine) as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, undone when it raises.

        On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`), so that what it read stays true until it writes.

        Raises:
            StoreUnavailable: the database is locked, full or away; nothing of the block was kept.
            ServingError: the database refused a value.
        """
        with self._transaction(self.engine.execution_options(begin="BEGIN IMMEDIATE")) as db:
            yield db

    def sweep(self) -> None:
        """Move SQLite's write-ahead log into the file and empty it, so that no forgotten row lingers there."""
        if self.engine.dialect.name == "sqlite":
            with self._transaction(self.engine.execution_options(begin="")) as db:
                db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as db:
                yield db
        except SQLAlchemyError as error:
            raise failure(error, self.where) from error


def open_store(url: str, *, wait: float = BUSY_SECONDS) -> Store:
    """Open a store and bring its tables up to date; safe when several processes do so at once.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user:password@host/database`.
        wait: seconds to wait for another's lock, and for a free connection.

    Raises:
        ServingError: the address is wrong, or the store was written by a newer version.
        StoreUnavailable: the database is locked, full or away.
    """
    address, arguments = parse(url, wait=wait)
    engine = create_engine(
        address,
        connect_args=arguments,
        pool_pre_ping=True,
        hide_parameters=True,  # they are customers' data, and errors are logged
        pool_timeout=wait,
        pool_size=POOL,
        json_serializer=dumped,
    )
    if address.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    store = Store(engine, address.render_as_string(hide_password=True))
    try:
        with store.write() as db:
            upgrade(db)
    except ServingError:
        store.close()
        raise
    return store


def _prepare(connection: Any, record: Any) -> None:
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
    connection.execute("PRAGMA journal_mode=WAL")


def _begin(db: Connection) -> None:
    """Say BEGIN ourselves: the driver would say it late, and never IMMEDIATE."""
    statement = db.get_execution_options().get("begin", "BEGIN")
    if statement:
        db.exec_driver_sql(statement)
