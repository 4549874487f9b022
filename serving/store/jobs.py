"""Jobs: work too large for one request, done by one worker at a time, with progress, result and cancel."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from serving.store.records import columns, first, read
from serving.store.tables import jobs

State = Literal["queued", "running", "done", "failed", "cancelled"]
ATTEMPTS = 3
"""A job whose worker died this often is failed: it probably kills them."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job without its result. `done` of `total` units; `attempts` is how often a worker took it up."""

    id: str
    kind: str
    key_id: str | None
    state: State
    done: int
    total: int
    input: dict[str, Any]
    created_at: datetime
    heartbeat_at: datetime | None
    finished_at: datetime | None
    attempts: int
    error: str | None
    content_type: str | None


@dataclass(frozen=True, kw_only=True)
class Claimed(Job):
    """A job that is ours while we give heartbeats; `claim` is the proof."""

    claim: str


Known = TypeVar("Known", bound=Job)


def submit(db: Connection, *, kind: str, input: dict[str, Any], total: int, key_id: str | None, at: datetime) -> Job:
    """Queue a job."""
    job_id = uuid4().hex
    new = {"kind": kind, "key_id": key_id, "input": input, "total": total, "created_at": at}
    db.execute(insert(jobs).values(**new, id=job_id, state="queued", done=0, attempts=0))
    return _got(db, Job, jobs.c.id == job_id)


def get(db: Connection, job_id: str) -> Job | None:
    """A job by its id."""
    return first(db, Job, select(*columns(Job, jobs)).where(jobs.c.id == job_id))


def list_jobs(db: Connection, *, state: State | None = None, limit: int = 100) -> list[Job]:
    """Jobs, newest first."""
    query = select(*columns(Job, jobs)).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
    return list(read(db, Job, query if state is None else query.where(jobs.c.state == state)))


def claim(db: Connection, *, at: datetime) -> Claimed | None:
    """Take the oldest queued job; None where nothing is queued. No two workers get the same."""
    oldest = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.created_at, jobs.c.id).limit(1)
    job_id = db.scalar(oldest.with_for_update(skip_locked=True))
    if job_id is None:
        return None
    taken = {"state": "running", "claim": secrets.token_hex(16), "heartbeat_at": at, "attempts": jobs.c.attempts + 1}
    db.execute(update(jobs).where(jobs.c.id == job_id).values(taken))
    return _got(db, Claimed, jobs.c.id == job_id)


def progress(db: Connection, job: Claimed, *, done: int, at: datetime) -> bool:
    """Tell how far it is, which is the heartbeat too. False: it was cancelled or given to another, so stop."""
    return _tell(db, job, done=done, heartbeat_at=at)


def finish(db: Connection, job: Claimed, *, content_type: str, result: bytes, at: datetime) -> bool:
    """Keep the result. False: it was cancelled or given to another meanwhile, and nothing is kept."""
    answer = {"content_type": content_type, "result": result, "done": jobs.c.total}
    return _tell(db, job, state="done", finished_at=at, **answer)


def fail(db: Connection, job: Claimed, *, error: str, at: datetime) -> bool:
    """Say why it could not be done. False as `finish`."""
    return _tell(db, job, state="failed", finished_at=at, error=error)


def cancel(db: Connection, job_id: str, *, at: datetime) -> bool:
    """Cancel a queued or running job, whose worker learns it at its next `progress`; False for any other."""
    under_way = (jobs.c.id == job_id) & jobs.c.state.in_(["queued", "running"])
    return db.execute(update(jobs).where(under_way).values(state="cancelled", finished_at=at)).rowcount == 1


def result(db: Connection, job_id: str) -> bytes | None:
    """The result of a done job."""
    return db.scalar(select(jobs.c.result).where(jobs.c.id == job_id, jobs.c.state == "done"))


def requeue_orphans(db: Connection, *, at: datetime, silent: timedelta) -> int:
    """Queue running jobs again whose heartbeat is older than `silent` (failed after `ATTEMPTS`); how many."""
    orphaned = (jobs.c.state == "running") & (jobs.c.heartbeat_at < at - silent)
    lost = {"state": "failed", "finished_at": at, "error": f"its worker died {ATTEMPTS} times; it was given up"}
    given_up = db.execute(update(jobs).where(orphaned, jobs.c.attempts >= ATTEMPTS).values(lost)).rowcount
    again = {"state": "queued", "claim": None, "done": 0}
    return given_up + db.execute(update(jobs).where(orphaned).values(again)).rowcount


def expire(db: Connection, *, before: datetime) -> int:
    """Drop jobs that ended before this moment, with their results; how many."""
    return db.execute(delete(jobs).where(jobs.c.finished_at < before)).rowcount


def _tell(db: Connection, job: Claimed, **values: Any) -> bool:
    """Change a job that is still ours and running."""
    ours = (jobs.c.id == job.id) & (jobs.c.claim == job.claim) & (jobs.c.state == "running")
    return db.execute(update(jobs).where(ours).values(values)).rowcount == 1


def _got(db: Connection, kind: type[Known], which: ColumnElement[bool]) -> Known:
    return next(read(db, kind, select(*columns(kind, jobs)).where(which)))
