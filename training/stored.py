"""A feature table too large for memory: a matrix whose rows stay in Parquet until they are asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]


@lgb.Sequence.register
@dataclass(eq=False)
class Stored:
    """Columns of Parquet files as a float64 matrix (rows, features), of which one row group is in memory at a time.

    Indexed as an array is, rows by mask or number and `[:, columns]` by number, it gives another `Stored` and reads
    nothing; `np.asarray` reads. One row and a slice of rows are read at once, which is how LightGBM asks.
    Each thread needs one of its own.
    """

    groups: tuple[tuple[Path, int], ...]
    starts: Numbers
    columns: tuple[str, ...]
    rows: Numbers
    batch_size: int = 8_192
    _held: tuple[int, int, Array] = field(default=(0, 0, np.empty((0, 0))), init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, features)."""
        return len(self.rows), len(self.columns)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, wanted: int | np.integer[Any] | slice) -> Array: ...
    @overload
    def __getitem__(self, wanted: NDArray[Any] | tuple[slice, Any]) -> "Stored": ...
    def __getitem__(self, wanted: Any) -> "Array | Stored":
        if isinstance(wanted, tuple):
            return replace(self, columns=tuple(np.array(self.columns)[wanted[1]].tolist()))
        if isinstance(wanted, slice):
            return self._read(self.rows[wanted])
        if np.ndim(wanted) == 0:
            return self._row(int(self.rows[wanted]))
        return replace(self, rows=self.rows[wanted])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self._read(self.rows)

    def _row(self, row: int) -> Array:
        first, end, values = self._held
        if not first <= row < end:
            first, _, values = self._hold(int(np.searchsorted(self.starts, row, side="right")) - 1)
        found: Array = values[row - first]
        return found

    def _read(self, rows: Numbers) -> Array:
        found = np.empty((len(rows), len(self.columns)))
        group = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(group).tolist():
            here = group == number
            first, _, values = self._hold(number)
            found[here] = values[rows[here] - first]
        return found

    def _hold(self, number: int) -> tuple[int, int, Array]:
        """A row group as (its first row, the row after its last, its values)."""
        first = int(self.starts[number])
        if not (len(self._held[2]) and self._held[0] == first):
            path, group = self.groups[number]
            read = pq.ParquetFile(path).read_row_group(group, columns=list(self.columns)).select(list(self.columns))
            values = np.column_stack([column.to_numpy() for column in read.columns])
            self._held = first, first + len(values), values
        return self._held


def open_stored(files: Iterable[Path], columns: Iterable[str]) -> Stored:
    """All rows of Parquet files, one file after the other."""
    groups, sizes = [], [0]
    for path in files:
        told = pq.read_metadata(path)
        groups += [(path, i) for i in range(told.num_row_groups)]
        sizes += [told.row_group(i).num_rows for i in range(told.num_row_groups)]
    starts = np.cumsum(sizes)
    return Stored(tuple(groups), starts[:-1], tuple(columns), np.arange(starts[-1]))


def store(parts: Iterable[pa.Table], path: Path) -> None:
    """Write tables of one schema to a Parquet file, a row group a table."""
    writer = None
    try:
        for part in parts:
            writer = writer or pq.ParquetWriter(path, part.schema, compression="zstd")
            writer.write_table(part)
    finally:
        if writer is not None:
            writer.close()
