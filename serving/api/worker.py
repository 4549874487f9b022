"""The thread that works jobs off by the hundred, tells how far it is, and stops when they are cancelled.

A job of a process that died is taken up again. One job is answered by one model.
"""

from collections.abc import Sequence
from datetime import timedelta
from io import BytesIO
from threading import Event, Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from serving.api import logs
from serving.api.answers import Result
from serving.api.asks import PredictJob
from serving.api.context import Context
from serving.api.endpoint import told
from serving.api.planning import look_up, rows_of
from serving.api.predict import results
from serving.errors import ServingError
from serving.store import idempotency, jobs
from serving.store.jobs import Claimed

CHUNK = 200
POLL_SECONDS = 2.0
"""Between two looks for jobs that another process was given and cannot come to; our own begin at once."""
SILENT = timedelta(minutes=2)
"""A running job without a heartbeat for this long has lost its worker."""
KEPT = timedelta(days=7)
TIDY_SECONDS = 60.0
JSONL, PARQUET = "application/jsonl", "application/vnd.apache.parquet"
MOMENTS = ("scored_at", "as_of", "last_changed", "renewal_at")
WORDS = (
    *("external_id", "status", "error", "source", "model_version", "name", "segment", "owner", "tier", "tier_label"),
    *("previous_tier", "trend", "top_driver_1", "top_driver_2", "top_driver_3", "reason", "risk_level", "driver"),
    "fallback",
)
NUMBERS = (
    *("churn_probability", "churn_probability_low", "churn_probability_high", "base_rate", "health_score"),
    *("previous_score", "yearly_value", "at_risk_value"),
)
YES_NO = ("is_stale", "inactive")


class Worker:
    """The thread that does jobs."""

    def __init__(self, context: Context) -> None:
        self._context, self._stop = context, Event()
        self._thread = Thread(target=self._run, name="jobs", daemon=True)
        self._tidied = context.clock() - timedelta(days=1)

    def start(self) -> None:
        """Begin to look for jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the rows it is at; the job is taken up again by the next process."""
        self._stop.set()
        self._context.submitted.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tidy()
                job = self._next()
                if job is not None:
                    self._do(job)
                    continue
            except ServingError as error:
                logs.tell("jobs cannot be worked on", error=str(error))
            self._context.submitted.wait(POLL_SECONDS)
            self._context.submitted.clear()

    def _next(self) -> Claimed | None:
        with self._context.store.read() as db:
            if not jobs.list_jobs(db, state="queued", limit=1):
                return None
        with self._context.store.write() as db:
            return jobs.claim(db, at=self._context.clock())

    def _do(self, job: Claimed) -> None:
        context = self._context
        try:
            ask = PredictJob.model_validate(job.input)
            found = self._results(job, ask)
            if found is None:
                return
            content, media_type = as_bytes(found, ask.format)
            with context.store.write() as db:
                jobs.finish(db, job, content_type=media_type, result=content, at=context.clock())
        except ServingError as error:
            self._failed(job, str(error))
        except Exception as error:
            told(error, job.id)
            self._failed(job, "something went wrong here; the log says where")

    def _results(self, job: Claimed, ask: PredictJob) -> list[Result] | None:
        """All rows by the model that is live now; None when the job was taken away or the process ends."""
        live, given, found = self._context.models.current, rows_of(ask), list[Result]()
        for start in range(0, len(given), CHUNK):
            part = given[start : start + CHUNK]
            stored = look_up(self._context, part)
            found += results(self._context, live, stored, part, factors=ask.max_top_factors, explain=ask.explain)
            with self._context.store.write() as db:
                is_ours = jobs.progress(db, job, done=len(found), at=self._context.clock())
            if not is_ours or self._stop.is_set():
                return None
        return found

    def _failed(self, job: Claimed, error: str) -> None:
        with self._context.store.write() as db:
            jobs.fail(db, job, error=error, at=self._context.clock())

    def _tidy(self) -> None:
        """Now and then: take up orphaned jobs, drop old results and old idempotency keys."""
        now = self._context.clock()
        if (now - self._tidied).total_seconds() < TIDY_SECONDS:
            return
        with self._context.store.write() as db:
            jobs.requeue_orphans(db, at=now, silent=SILENT)
            jobs.expire(db, before=now - KEPT)
            idempotency.expire(db, at=now)
        self._tidied = now


def as_bytes(found: Sequence[Result], form: str) -> tuple[bytes, str]:
    """The result and its media type: a JSON object a line, or Parquet with the flat fields."""
    if form == "jsonl":
        return b"".join(row.model_dump_json().encode() + b"\n" for row in found), JSONL
    flat = [_flat(row) for row in found]
    table = pa.table({name: pa.array([row[name] for row in flat], kind) for name, kind in _columns().items()})
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue(), PARQUET


def _columns() -> dict[str, pa.DataType]:
    return {
        **dict.fromkeys(WORDS, pa.string()),
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(YES_NO, pa.bool_()),
        **dict.fromkeys(MOMENTS, pa.timestamp("us", "UTC")),
    }


def _flat(row: Result) -> dict[str, Any]:
    low, high = row.churn_probability_interval or (None, None)
    return {**dict(row), "churn_probability_low": low, "churn_probability_high": high}
