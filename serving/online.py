"""Inputs of scores computed for a request: of accounts of which events were posted since the last run.

What a process keeps between requests cannot go stale: the small engine holds the rows of one request, and the sorted
values are those of one run, which never changes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from features.blocks import staged_of
from features.catalogue import Vocabulary, declare
from features.online import Online
from features.packing import unpacked
from serving.book import matrix
from serving.bundle import Bundle
from serving.posted import given
from serving.store import accounts
from serving.store.own_rows import Own
from serving.store.usage_events import NewEvent


class Inputs:
    """Builds accounts' inputs in this process, for one request at a time."""

    def __init__(self) -> None:
        self._online = Online()

    def close(self) -> None:
        """Give back what it holds."""
        self._online.close()

    def faults(
        self, about: dict[str, Any], known: Iterable[str], events: Sequence[NewEvent], now: datetime
    ) -> list[str | None]:
        """What is wrong with each posted event by the contract of usage; None for those that are right.

        Args:
            about: the tables (see `features.blocks.told`).
            known: those of the accounts that the tables know.
            events: not kept yet.
            now: the moment, naive UTC; what happens later is in the future.
        """
        judged = self._online.judge(staged_of(about, now), pa.array(sorted(known), pa.string()), given(events))
        faults: list[str | None] = judged["fault"].to_pylist()
        return faults

    def of(self, bundle: Bundle, own: Own, events: Sequence[NewEvent], now: datetime) -> dict[str, list[float]]:
        """The inputs of each account in `own` at the midnight after `now`, in the model's order, NaN if unknown."""
        staged = staged_of(own.of.about, now)
        catalogue = declare(staged, Vocabulary.from_dict(bundle.vocabulary))
        built = self._online.rows(staged, catalogue, unpacked(own.blocks, sorted(own.known)), given(events))
        return dict(zip(built["account_id"].to_pylist(), matrix(bundle, built).tolist(), strict=True))


class ValueRanks:
    """The yearly values of a run, sorted when they are first asked for: a rank then costs nothing more."""

    def __init__(self) -> None:
        self._held: tuple[int, list[float]] = (-1, [])

    def of(self, db: Connection, run_id: int, value: float | None) -> float | None:
        """Share of the run's accounts with a smaller yearly value, in [0, 1), as the run itself ranked them."""
        if value is None:
            return None
        held = self._held
        if held[0] != run_id:
            self._held = held = run_id, accounts.yearly_values(db, run_id)
        return bisect_left(held[1], value) / (len(held[1]) or 1)
