"""Rows of accounts in blocks: some accounts' rows of one source as a compressed Arrow stream, and out of it again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

SHAPES = -1
"""The block without rows: every source's columns and types."""


@dataclass(frozen=True)
class Block:
    """Rows of one source in one block."""

    number: int
    source: str
    content: bytes


def packed(table: pa.Table) -> bytes:
    """A table as a compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table.combine_chunks())
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unpacked(blocks: Iterable[Block], account_ids: Sequence[str]) -> dict[str, pa.Table]:
    """The rows of some accounts by source, out of the blocks that hold them and the one of `SHAPES`."""
    wanted = pa.array(account_ids, pa.string())
    parts: dict[str, list[pa.Table]] = {}
    for block in blocks:
        table = _read(block.content)
        parts.setdefault(block.source, []).append(table.filter(pc.is_in(table["account_id"], wanted)))
    return {source: pa.concat_tables(tables) for source, tables in parts.items()}


def without(content: bytes, account_id: str) -> bytes:
    """A block's content without the rows of one account."""
    table = _read(content)
    return packed(table.filter(pc.not_equal(table["account_id"], account_id)))


def _read(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
