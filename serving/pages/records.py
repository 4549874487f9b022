"""The pages of decisions: all of them, and one with its numbers, thresholds, reviews and versions."""

from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from retention.metrics import METRICS
from retention.records import document
from retention.records.life import OUTCOMES, OVER
from retention.records.lint import numbers
from retention.records.markdown import in_words
from serving.api import records as door
from serving.api.answers import Fault
from serving.api.endpoint import Asked
from serving.api.limits import Deadline
from serving.api.problems import Problem, faults_of
from serving.pages.door import HEADERS, Visit
from serving.recording import Shown
from serving.store import kept_records

UNDERSTOOD = (409, 422)
"""A review that was understood and cannot be: the form is shown again with the reason."""


def show_all(visit: Visit) -> Response:
    """GET /records."""
    with visit.context.store.read() as db:
        found = kept_records.newest(db)
    return visit.page("records.html", records=[door.line(one) for one in found])


def show(visit: Visit) -> Response:
    """GET /records/{record_id}."""
    record_id = visit.request.path_params["record_id"]
    with visit.context.store.read() as db:
        return _shown(visit, door.shown(db, _asked(visit, record_id)))


def download(visit: Visit) -> Response:
    """GET /records/{record_id}/markdown."""
    record_id = visit.request.path_params["record_id"]
    with visit.context.store.read() as db:
        found = door.shown(db, _asked(visit, record_id))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{found.now.id}.md"'}
    return Response(found.markdown, headers=headers, media_type="text/markdown")


def review(visit: Visit) -> Response:
    """POST /records/{record_id}/reviews: back to the record, which shows the review."""
    record_id = visit.request.path_params["record_id"]
    try:
        kind, _, outcome = visit.form.get("found", "").partition(" ")
        given = {"kind": kind, "outcome": outcome, "note": visit.form.get("note", "").strip()}
        ask = door.Review.model_validate(given)
        with visit.context.store.write() as db:
            door.review_record(_asked(visit, record_id, ask), db)
    except (ValidationError, Problem) as error:
        if isinstance(error, Problem) and error.status not in UNDERSTOOD:
            raise
        told = faults_of(error) if isinstance(error, ValidationError) else [Fault(where="review", what=str(error))]
        with visit.context.store.read() as db:
            return _shown(visit, door.shown(db, _asked(visit, record_id)), status=422, faults=told)
    query = urlencode({"held": kind})
    return RedirectResponse(f"/records/{quote(record_id, safe='')}?{query}#reviews", 303)


def _asked(visit: Visit, record_id: str, body: door.Review | None = None) -> Asked:
    return Asked(
        context=visit.context,
        caller=visit.caller,
        request_id=visit.request.state.request_id,
        deadline=Deadline.after(visit.context.limits.work_seconds),
        path={"record_id": record_id},
        body=body,
    )


def _shown(visit: Visit, found: Shown, *, status: int = 200, faults: Sequence[Fault] = ()) -> Response:
    body = found.now.body
    given = document.read(body["document"], "the stored record")
    held = {(one["happened"].get("review"), one["happened"].get("due")): one for one in found.history}
    moved = {flip["number"] for flip in body["decided"]["flips"]}
    return visit.page(
        "record.html",
        status,
        now=found.now,
        given=given,
        body=body,
        decided=body["decided"],
        findings=[asdict(one) for one in found.findings],
        history=found.history,
        in_words=in_words,
        metrics=METRICS,
        numbers=list(numbers(given)),
        ranged={name for name, _ in numbers(given)},
        still=[name for name in body["decided"]["levers"] if name not in moved],
        schedule=[one | {"held": held.get((one["kind"], one["due"]))} for one in body["schedule"]],
        outcomes=OUTCOMES,
        is_over=found.now.state in OVER,
        faults=faults,
        form=visit.form,
        flash=visit.query.get("held") if not faults else None,
    )
