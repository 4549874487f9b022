"""The online row: what the batch would compute for an account at the next midnight, from the rows known now.

There is one definition of a feature. The row is built by the same SQL as the batch's, on an engine of its own that
holds the rows of the accounts asked for and no others.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock

import pyarrow as pa

from features import early, table
from features.catalogue import Catalogue
from features.engine import small_engine
from features.snapshots import midnight
from features.sources import Staged


def next_midnight(now: datetime) -> datetime:
    """The first midnight after a moment: a snapshot there sees all that has happened by then."""
    return midnight(now) + timedelta(days=1)


class Online:
    """Builds online rows, for one caller at a time; opened once a process."""

    def __init__(self) -> None:
        self._engine, self._lock = small_engine(), Lock()

    def close(self) -> None:
        """End the engine."""
        self._engine.db.close()

    def judge(self, staged: Staged, account_ids: pa.Array, rows: pa.Table, given: pa.Table) -> pa.Table:
        """As `early.judge` at `staged.now`, of posted rows before they are kept.

        Args:
            staged: of the tables.
            account_ids: those of the accounts that the tables know.
            rows: the usage rows of these accounts, in the columns of the staged table.
            given: posted rows (see `early.GIVEN`).
        """
        with self._lock:
            self._engine.register("accounts", pa.table({"account_id": account_ids}))
            self._engine.register("usage", rows)
            return early.judge(self._engine, staged, given, now=staged.now)

    def rows(self, staged: Staged, catalogue: Catalogue, tables: Mapping[str, pa.Table], given: pa.Table) -> pa.Table:
        """One row an account at the midnight after `staged.now`, ordered by account_id (see `table.build`).

        Args:
            staged: of the tables.
            catalogue: the features wanted.
            tables: the accounts' own staged rows of every source (see `features.blocks`).
            given: rows that were posted early (see `early.GIVEN`).
        """
        at = next_midnight(staged.now)
        engine = self._engine
        with self._lock:
            for source, own in tables.items():
                engine.register(source, own)
            early.judge(engine, staged, given, now=staged.now)
            engine.run('INSERT INTO "usage" SELECT * FROM "_early"')
            moment = engine.moment(at)
            engine.create("online_spine", f"SELECT DISTINCT account_id, {moment} AS snapshot_at FROM accounts")
            return table.build(engine, staged, catalogue, "online_spine")
