"""Between rows and records: a record is a frozen dataclass whose fields are named like the table's columns."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

Record = TypeVar("Record")
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def columns(kind: type[Any], *tables: Table) -> list[ColumnElement[Any]]:
    """The columns that a record needs, each from the first table that has it."""
    return [next(t.c[f.name] for t in tables if f.name in t.c) for f in fields(kind)]


def read(db: Connection, kind: type[Record], query: Select[Any]) -> Iterator[Record]:
    """The query's rows as records; its columns are named like the record's fields."""
    for row in db.execute(query).mappings():
        yield kind(**row)


def first(db: Connection, kind: type[Record], query: Select[Any]) -> Record | None:
    """The query's first row as a record; None without a row."""
    return next(read(db, kind, query.limit(1)), None)


def row_of(record: Any) -> dict[str, Any]:
    """A record's fields as a row, its values as they are."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def insert_if_absent(db: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same unique key is there; whether it was inserted.

    It waits for another transaction that is inserting the same key, so that after False the row can be read.
    """
    statement = INSERTS[db.dialect.name](table).values(row).on_conflict_do_nothing()
    return db.execute(statement).rowcount == 1
