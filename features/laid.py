"""What many tables say of an account laid beside each other: their columns in one order of accounts.

Joining the tables by the text of an account's id would cost more than all that is computed from them.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.bits import Numbers
from features.catalogue import NUMBER


class Order:
    """Accounts in the order of their ids, each of them once."""

    def __init__(self, account_ids: pa.Array) -> None:
        self._account_ids = account_ids.sort().unique()

    def lay(self, table: pa.Table) -> pa.Table:
        """The columns of a table with one row an account, in this order; null for accounts that it does not hold."""
        columns = table.drop_columns("account_id")
        if not len(table):
            return pa.table({f.name: pa.nulls(len(self._account_ids), f.type) for f in columns.schema})
        of = pc.index_in(self._account_ids, value_set=table["account_id"].combine_chunks())
        is_there, rows = of.is_valid(), columns.take(of.fill_null(0))  # indices without nulls are taken much faster
        return pa.table({name: pc.if_else(is_there, rows[name], None) for name in rows.column_names}).combine_chunks()

    def numbered(self, wanted: pa.Array, day: datetime, first: int, columns: Mapping[str, pa.Array]) -> pa.Table:
        """Laid columns with account_id, snapshot_at and `_row`: the number of each wanted account, null for others.

        Args:
            wanted: account ids, each of them once.
            day: the snapshot.
            first: the number of the first.
            columns: laid columns by name.
        """
        is_wanted = pc.is_in(self._account_ids, value_set=wanted).to_numpy(zero_copy_only=False)
        numbers = pa.array(np.cumsum(is_wanted, dtype=np.int32) + np.int32(first - 1), mask=~is_wanted)
        at = pa.array(np.full(len(is_wanted), np.datetime64(day, "us")))
        return pa.table({"account_id": self._account_ids, "snapshot_at": at, NUMBER: numbers, **columns})


def numbers(column: pa.Array) -> Numbers:
    """A column of whole numbers, with 0 for what is not known."""
    found: Numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    return found
