"""The audit log of requests that only read: written in batches by a thread, so that nobody waits for a disk.

What people change is written in the transaction that changes it. A prediction's entry is written within a fraction
of a second; a process that is killed loses those of that fraction, and nothing that it acknowledged as kept.
"""

from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from serving.api import logs
from serving.api.problems import Problem
from serving.errors import ServingError
from serving.store import Store, audit
from serving.store.audit import Entry

KEPT = 10_000
"""Entries that wait at most while the store is away; then predictions are refused rather than not recorded."""
BATCH = 500
PAUSE_SECONDS = 0.2


class Trail:
    """A context manager: entries are written while it is open, and the last ones when it closes."""

    def __init__(self, store: Store) -> None:
        self._store, self._waiting = store, Queue[Entry](KEPT)
        self._stop, self._thread = Event(), Thread(target=self._run, name="audit", daemon=True)

    def add(self, entry: Entry) -> None:
        """Record an action soon.

        Raises:
            Problem: 503, the store has been away for so long that no more can be held.
        """
        try:
            self._waiting.put_nowait(entry)
        except Full:
            raise Problem("store-away", "the audit log cannot be written", retry_after=5) from None

    def flush(self, seconds: float = 10.0) -> None:
        """Wait until what was added before is written, or so many seconds have gone by."""
        until = monotonic() + seconds
        while self._waiting.unfinished_tasks and monotonic() < until:
            sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        held: list[Entry] = []
        while not (self._stop.is_set() and self._waiting.empty() and not held):
            held = held or self._batch()
            if held and self._written(held):
                held = []
            elif held and self._stop.is_set():
                logs.tell("audit entries lost", entries=len(held) + self._waiting.qsize())
                return
            sleep(0.0 if self._stop.is_set() else PAUSE_SECONDS)

    def _batch(self) -> list[Entry]:
        found: list[Entry] = []
        try:
            while len(found) < BATCH:
                found.append(self._waiting.get_nowait())
        except Empty:
            pass
        return found

    def _written(self, entries: list[Entry]) -> bool:
        try:
            with self._store.write() as db:
                audit.record(db, entries)
        except ServingError as error:
            logs.tell("audit log cannot be written", entries=len(entries), error=str(error))
            return False
        for _ in entries:
            self._waiting.task_done()
        return True
