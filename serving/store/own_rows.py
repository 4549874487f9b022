"""Each account's own rows as the tables of the last run delivered them: written in small steps, then shown at once.

A set of rows is read only when it is complete, and of those only the newest. The writer holds no lock for long; what a
run that was broken off left goes with a later one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, tuple_, update

from features.packing import SHAPES, Block, without
from serving.store.opening import Store
from serving.store.records import columns, first
from serving.store.tables import row_blocks, row_places, row_sets

BLOCKS, PLACES = 50, 5000
"""Rows written or dropped in one transaction: some megabytes."""

BROKEN_OFF = timedelta(days=1)
"""A set that is not complete after so long never will be."""


@dataclass(frozen=True, kw_only=True)
class RowSet:
    """A complete set: usage from 364 days before `as_of` on, and in `about` what `features.blocks.told` says."""

    id: int
    as_of: datetime
    made_at: datetime
    about: dict[str, Any]


@dataclass(frozen=True)
class Own:
    """The blocks in which some accounts' rows lie (and those of others), and which of the accounts the tables know."""

    of: RowSet
    known: frozenset[str]
    blocks: tuple[Block, ...]


def write(
    store: Store,
    places: Iterable[tuple[str, int]],
    blocks: Iterable[Block],
    *,
    as_of: datetime,
    about: dict[str, Any],
    at: datetime,
) -> None:
    """Write a set, show it, and drop those before it.

    Args:
        store: where.
        places: (account_id, number of its block) of every account.
        blocks: the rows, and the block of `SHAPES`.
        as_of: the day from which on snapshots can be computed.
        about: of the tables.
        at: now.

    Raises:
        StoreUnavailable: the store is locked, full or away; the set before stays the one that is read.
    """
    with store.write() as db:
        made = insert(row_sets).values(as_of=as_of, made_at=at, about=about, is_complete=False)
        set_id = int(db.execute(made.returning(row_sets.c.id)).scalar_one())
    _in_steps(store, row_places, PLACES, ({"set_id": set_id, "account_id": a, "block": b} for a, b in places))
    rows = ({"set_id": set_id, "block": b.number, "source": b.source, "content": b.content} for b in blocks)
    _in_steps(store, row_blocks, BLOCKS, rows)
    with store.write() as db:
        db.execute(update(row_sets).where(row_sets.c.id == set_id).values(is_complete=True))
    drop(store, before=set_id, at=at)


def _in_steps(store: Store, table: Table, size: int, rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while step := list(islice(left, size)):
        with store.write() as db:
            db.execute(insert(table), step)


def drop(store: Store, *, before: int | None, at: datetime) -> None:
    """Drop complete sets before one (None: all), and those that were broken off, a few rows at a time."""
    old = select(row_sets.c.id).where(row_sets.c.is_complete | (row_sets.c.made_at < at - BROKEN_OFF))
    with store.read() as db:
        ids = db.scalars(old if before is None else old.where(row_sets.c.id < before)).all()
    for set_id in ids:
        for table, size in ((row_blocks, BLOCKS), (row_places, PLACES)):
            key = tuple_(*table.primary_key)
            some = select(*table.primary_key).where(table.c.set_id == set_id).limit(size)
            dropped = size
            while dropped == size:
                with store.write() as db:
                    dropped = db.execute(delete(table).where(key.in_(some))).rowcount
        with store.write() as db:
            db.execute(delete(row_sets).where(row_sets.c.id == set_id))


def current(db: Connection) -> RowSet | None:
    """The newest complete set; None where no run has kept one."""
    query = select(*columns(RowSet, row_sets)).where(row_sets.c.is_complete)
    return first(db, RowSet, query.order_by(row_sets.c.id.desc()))


def known(db: Connection, of: RowSet, account_ids: Sequence[str]) -> frozenset[str]:
    """Those of the accounts that the tables know."""
    return frozenset(_places(db, of, account_ids))


def fetch(db: Connection, account_ids: Sequence[str]) -> Own | None:
    """The blocks of some accounts out of the newest set, by two indexed look-ups; None where there is no set."""
    of = current(db)
    while of is not None:
        places = _places(db, of, account_ids)
        wanted = row_blocks.c.set_id == of.id, row_blocks.c.block.in_({SHAPES, *places.values()})
        found = db.execute(select(row_blocks.c.block, row_blocks.c.source, row_blocks.c.content).where(*wanted))
        blocks = tuple(Block(*row) for row in found)
        before, of = of, current(db)
        if of and of.id == before.id:  # else it may have been dropped while it was read
            return Own(of, frozenset(places), blocks)
    return None


def _places(db: Connection, of: RowSet, account_ids: Sequence[str]) -> dict[str, int]:
    here = row_places.c.set_id == of.id, row_places.c.account_id.in_(account_ids)
    found = db.execute(select(row_places.c.account_id, row_places.c.block).where(*here))
    return {account_id: block for account_id, block in found}  # noqa: C416 - rows are no pairs to mypy


def erase(db: Connection, account_id: str) -> int:
    """Take an account's rows out of its blocks, in every set; how many blocks were written anew. Its places stay."""
    places = select(row_places.c.set_id, row_places.c.block).where(row_places.c.account_id == account_id)
    number = 0
    for set_id, block in db.execute(places).all():
        here = row_blocks.c.set_id == set_id, row_blocks.c.block == block
        for source, content in db.execute(select(row_blocks.c.source, row_blocks.c.content).where(*here)).all():
            new = update(row_blocks).where(*here, row_blocks.c.source == source)
            number += db.execute(new.values(content=without(content, account_id))).rowcount
    return number
