"""Each account's own staged rows, cut into blocks that can be fetched alone: what an online row is built from.

A block holds the rows of some accounts, about `ROWS` together, and an account's rows lie in one block. Accounts
are laid out largest first, so that one with `ROWS` rows or more has its block to itself: fetching an account reads its
own rows and fewer than `ROWS` others, however many accounts there are.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from features.contracts import SOURCES
from features.engine import Engine
from features.packing import SHAPES, Block, packed
from features.ranks import UNREAD
from features.sources import Staged, StagedSource
from features.stretches import LONGEST

ROWS = 16_384
READ = ("accounts", "subscriptions", "usage", "feedback", "support", "touchpoints", "invoices")
"""Sources that features read."""


def lay_out(engine: Engine, day: datetime, usage: str = "usage") -> pa.Table:
    """Which block each account's rows go to: (account_id, block), kept as the table `_places` too.

    Args:
        engine: with the staged sources.
        day: the earliest snapshot that the rows are for; usage that no feature of it sees is left out.
        usage: the relation of the usage rows.
    """
    seen = [f"SELECT account_id FROM {_seen(engine, source, day, usage)} r" for source in READ]
    counted = f"SELECT account_id, COUNT(*) AS n FROM ({' UNION ALL '.join(seen)}) GROUP BY account_id"
    before = "SUM(n) OVER (ORDER BY n DESC, account_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    places = f"SELECT account_id, CAST(COALESCE({before}, 0) // {ROWS} AS INTEGER) AS block FROM ({counted})"
    engine.create("_places", places)
    return engine.query("SELECT account_id, block FROM _places")


def cut(engine: Engine, day: datetime, usage: str = "usage") -> Iterator[Block]:
    """The blocks of every source as `lay_out` laid them out, a batch of rows in memory at a time.

    Columns that no feature reads are null in them.
    """
    for source in READ:
        nothing = ", ".join(f'CAST(NULL AS VARCHAR) AS "{column}"' for column in UNREAD.get(source, ()))
        columns = f"r.* REPLACE ({nothing})" if nothing else "r.*"
        yield Block(SHAPES, source, packed(engine.query(f"SELECT {columns} FROM {source} r LIMIT 0")))
        rows = f"""SELECT p.block, {columns} FROM {_seen(engine, source, day, usage)} r
                   JOIN _places p ON p.account_id = r.account_id ORDER BY p.block"""
        for number, table in _by_block(engine.batches(rows)):
            yield Block(number, source, packed(table))


def _seen(engine: Engine, source: str, day: datetime, usage: str) -> str:
    """A source's rows that some feature of a snapshot from `day` on can see."""
    if source != "usage":
        return source
    return f'(SELECT * FROM "{usage}" WHERE "at" >= {engine.moment(day - timedelta(days=LONGEST))})'


def _by_block(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Rows that come ordered by the column `block`, as a table a block without that column."""
    held: list[pa.RecordBatch] = []
    number = 0
    for batch in batches:
        numbers, rows = batch["block"].to_numpy(), batch.drop_columns(["block"])
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        for start, end in pairwise(edges):
            if held and numbers[start] != number:
                yield number, pa.Table.from_batches(held)
                held = []
            held.append(rows.slice(start, end - start))
            number = int(numbers[start])
    if held:
        yield number, pa.Table.from_batches(held)


def told(staged: Staged) -> dict[str, Any]:
    """What must be known of staged sources to build rows from blocks of theirs, as JSON."""
    return {
        "attributes": list(staged.attributes),
        "sources": {
            name: {
                "columns": list(source.columns),
                "versioned": source.versioned,
                "last_at": source.last_at.isoformat() if source.last_at else None,
            }
            for name, source in staged.sources.items()
            if name in READ
        },
    }


def staged_of(told: dict[str, Any], now: datetime) -> Staged:
    """The inverse of `told`; what is not kept (counts, places) is empty."""
    return Staged(
        sources={name: _source(name, source) for name, source in told["sources"].items()},
        attributes=tuple(told["attributes"]),
        now=now,
    )


def _source(name: str, told: dict[str, Any]) -> StagedSource:
    return StagedSource(
        name=name,
        place="kept rows",
        columns=dict.fromkeys(told["columns"], SOURCES[name].grain),
        versioned=told["versioned"],
        in_place=False,
        rows_read=0,
        rows_good=0,
        quarantined=(),
        first_at=None,
        last_at=datetime.fromisoformat(told["last_at"]) if told["last_at"] else None,
    )
