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
from features.contracts import USAGE
from features.engine import Engine, small_engine
from features.snapshots import midnight
from features.sources import Staged


def next_midnight(now: datetime) -> datetime:
    """The first midnight after a moment: a snapshot there sees all that has happened by then."""
    return midnight(now) + timedelta(days=1)


class Online:
    """Builds online rows, for one caller at a time; one a process, its engine is opened when it is first needed."""

    def __init__(self) -> None:
        self._held: Engine | None = None
        self._lock = Lock()

    def close(self) -> None:
        """End the engine, when who uses it is done."""
        with self._lock:
            if self._held:
                self._held.db.close()
            self._held = None

    def _engine(self) -> Engine:
        self._held = self._held or small_engine()
        return self._held

    def judge(self, staged: Staged, account_ids: pa.Array, given: pa.Table) -> pa.Table:
        """As `early.judge`, of rows that are not kept yet; whether the tables hold a row_id is not asked.

        Args:
            staged: of the tables, at the moment of posting.
            account_ids: those of the accounts that the tables know.
            given: posted rows (see `early.GIVEN`).
        """
        nothing = pa.table({name: pa.array([], pa.string()) for name in USAGE.columns})
        with self._lock:
            engine = self._engine()
            engine.register("accounts", pa.table({"account_id": account_ids}))
            engine.register("usage", nothing)
            return early.judge(engine, staged, given, now=staged.now)

    def rows(self, staged: Staged, catalogue: Catalogue, tables: Mapping[str, pa.Table], given: pa.Table) -> pa.Table:
        """One row an account at the midnight after `staged.now`, ordered by account_id (see `table.build`).

        Args:
            staged: of the tables, at the moment asked for.
            catalogue: the features wanted.
            tables: the accounts' own staged rows of every source (see `features.blocks`).
            given: rows that were posted early (see `early.GIVEN`).
        """
        with self._lock:
            engine = self._engine()
            for source, own in tables.items():
                engine.register(source, own)
            early.judge(engine, staged, given, now=staged.now)
            engine.run('INSERT INTO "usage" SELECT * FROM "_early"')
            moment = engine.moment(next_midnight(staged.now))
            engine.create("online_spine", f"SELECT DISTINCT account_id, {moment} AS snapshot_at FROM accounts")
            return table.build(engine, staged, catalogue, "online_spine")
