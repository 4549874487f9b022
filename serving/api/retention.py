"""The newest retention report, as it was kept."""

from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.api.retention_answers import RetentionAnswer
from serving.store import reports


def retention(asked: Asked) -> Reply:
    """GET /v1/retention: all chapters, or one."""
    with asked.context.store.read() as db:
        kept = reports.newest(db, reports.RETENTION)
    if kept is None:
        raise Problem("not-found", "nothing is measured yet; `keepwell measure --store` keeps a report")
    wanted = asked.query.chapter
    chapters = [one for one in kept.body["chapters"] if wanted in (None, one["id"])]
    if not chapters:
        raise Problem("not-found", f"the report has no chapter {wanted}")
    told = {**kept.body, "chapters": chapters, "as_of": kept.as_of, "measured_at": kept.created_at}
    return reply(RetentionAnswer(request_id=asked.request_id, **told))
