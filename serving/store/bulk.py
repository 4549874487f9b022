"""Many rows into one table in few statements: what a run of a whole book writes.

SQLAlchemy's own way costs more than the databases do: it looks at every value of every row, and sends PostgreSQL a
statement a row. Here a statement takes a thousand rows: SQLite through its driver, PostgreSQL as one JSON array that
it reads with the table's own types. Values pass the same column types as everywhere (`serving.store.columns`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.types import JSON

from serving.store.columns import dumped

AT_ONCE = 1000
"""Rows sent at once."""

Value = Callable[[Any], Any] | None
"""How a driver wants a column's values; None: as they are."""


@dataclass(frozen=True)
class Bound:
    """A statement with the values of up to a thousand rows as the driver takes them: nothing is left but to run it."""

    statement: str
    values: Any


def insert_rows(db: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, once: bool = False) -> int:
    """Insert rows; how many were inserted. The arguments are those of `bound`."""
    return sum(execute(db, one) for one in bound(db, table, rows, once=once))


def bound(db: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, once: bool = False) -> Iterator[Bound]:
    """The statements that insert rows, which all have the same columns.

    Args:
        db: of `Store.write`.
        table: where.
        rows: each by column name.
        once: leave out rows with a unique key that is there already.
    """
    left = iter(rows)
    bind = _postgres if db.dialect.name == "postgresql" else _sqlite
    while some := list(islice(left, AT_ONCE)):
        yield bind(db, table, list(some[0]), some, " ON CONFLICT DO NOTHING" if once else "")


def execute(db: Connection, one: Bound) -> int:
    """Run a statement; how many rows it inserted."""
    return db.exec_driver_sql(one.statement, one.values).rowcount


def _sqlite(db: Connection, table: Table, names: list[str], rows: list[Mapping[str, Any]], tail: str) -> Bound:
    into = f"INSERT INTO {table.name} ({_listed(names)}) VALUES ({', '.join('?' * len(names))}){tail}"
    how = [_bound(db, table, name) for name in names]
    columns = [
        [row[name] for row in rows] if bound is None else [bound(row[name]) for row in rows]
        for name, bound in zip(names, how, strict=True)
    ]
    return Bound(into, list(zip(*columns, strict=True)))


def _postgres(db: Connection, table: Table, names: list[str], rows: list[Mapping[str, Any]], tail: str) -> Bound:
    """JSON columns stay part of the array, so that nothing is written twice; the others are bound first."""
    plain = {name: bound for name in names if not _is_json(table, name) and (bound := _bound(db, table, name))}
    given = [{**row, **{name: bound(row[name]) for name, bound in plain.items()}} for row in rows]
    listed = _listed(names)
    typed = f"SELECT {listed} FROM json_populate_recordset(NULL::{table.name}, CAST(%s AS json))"
    return Bound(f"INSERT INTO {table.name} ({listed}) {typed}{tail}", (dumped(given),))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _is_json(table: Table, name: str) -> bool:
    return isinstance(table.c[name].type, JSON)


def _bound(db: Connection, table: Table, name: str) -> Value:
    bound: Value = table.c[name].type.dialect_impl(db.dialect).bind_processor(db.dialect)
    return bound
