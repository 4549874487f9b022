"""Jobs: more rows than one request takes, asked for, looked at, fetched and cancelled."""

from typing import Any

from sqlalchemy import Connection

from serving.api.asks import PredictJob
from serving.api.endpoint import Asked, Reply, reply
from serving.api.model_answers import JobOut
from serving.api.planning import rows_of
from serving.api.problems import Problem
from serving.api.worker import JSONL
from serving.store import audit, jobs
from serving.store.audit import Entry
from serving.store.jobs import Job

KIND = "predict"


def submit(asked: Asked, db: Connection) -> Reply:
    """POST /v1/jobs."""
    ask: PredictJob = asked.body
    at = asked.context.clock()
    job = jobs.submit(
        db,
        kind=KIND,
        input=ask.model_dump(mode="json", exclude_unset=True),
        total=len(rows_of(ask)),
        key_id=asked.caller.key.id,
        at=at,
    )
    audit.record(db, [_entry(asked, "job", {"job": job.id, "rows": job.total})])
    asked.context.submitted.set()
    return reply(_out(asked, job), 202, {"Location": f"/v1/jobs/{job.id}"})


def show(asked: Asked) -> Reply:
    """GET /v1/jobs/{id}."""
    with asked.context.store.read() as db:
        return reply(_out(asked, _own(asked, db)))


def result(asked: Asked) -> Reply:
    """GET /v1/jobs/{id}/result."""
    with asked.context.store.read() as db:
        job = _own(asked, db)
        found = jobs.result(db, job.id)
    if found is None:
        raise Problem(
            "not-done", f"the job is {job.state}", retry_after=2 if job.state in ("queued", "running") else None
        )
    return Reply(found, media_type=job.content_type or JSONL)


def cancel(asked: Asked, db: Connection) -> Reply:
    """DELETE /v1/jobs/{id}: it stops after the rows it is at."""
    job = _own(asked, db)
    if not jobs.cancel(db, job.id, at=asked.context.clock()):
        raise Problem("ended", f"the job is {job.state}")
    audit.record(db, [_entry(asked, "cancel job", {"job": job.id})])
    return reply(_out(asked, _own(asked, db)))


def _own(asked: Asked, db: Connection) -> Job:
    """The job that the address names, if it is the caller's.

    Raises:
        Problem: 404, there is none, or it is another key's and the caller is no admin.
    """
    job = jobs.get(db, asked.path["job_id"])
    if job is None or (job.key_id != asked.caller.key.id and not asked.caller.may("admin")):
        raise Problem("not-found", "there is no such job of this key")
    return job


def _out(asked: Asked, job: Job) -> JobOut:
    return JobOut(
        request_id=asked.request_id,
        id=job.id,
        state=job.state,
        done=job.done,
        total=job.total,
        created_at=job.created_at,
        finished_at=job.finished_at,
        error=job.error,
        result=f"/v1/jobs/{job.id}/result" if job.state == "done" else None,
    )


def _entry(asked: Asked, action: str, detail: dict[str, Any]) -> Entry:
    at, key_id = asked.context.clock(), asked.caller.key.id
    return Entry(at=at, action=action, key_id=key_id, request_id=asked.request_id, detail=detail)
