"""Rows of an Arrow table as plain Python values: those of `to_pylist`, much faster where lists are long."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa


def plain_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Each row by column name."""
    names = table.column_names
    for row in zip(*(_values(table[name].combine_chunks()) for name in names), strict=True):
        yield dict(zip(names, row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    values: list[Any]
    if pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type) and not column.null_count:
        return _lists(column)
    if column.null_count or not (pa.types.is_floating(column.type) or pa.types.is_string(column.type)):
        values = column.to_pylist()
        return values
    if pa.types.is_floating(column.type):
        values = column.to_numpy().tolist()
        return values
    words = column.dictionary_encode()  # signals and components come again and again
    known = words.dictionary.to_pylist()
    return [known[i] for i in words.indices.to_numpy().tolist()]


def _lists(column: pa.ListArray) -> list[list[dict[str, Any]]]:
    flat, names = column.flatten(), [field.name for field in column.type.value_type]
    fields = (_values(flat.field(i)) for i in range(len(names)))
    rows = [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]
    ends = (column.offsets.to_numpy() - column.offsets[0].as_py()).tolist()
    return [rows[start:end] for start, end in pairwise(ends)]
