"""Forms that are sent from an account's page: a decision, facts, a play, a cause; recorded as the API records them."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from serving.api import decisions as decision_door
from serving.api import facts as fact_door
from serving.api import plays as play_door
from serving.api import postmortems as postmortem_door
from serving.api.answers import Fault
from serving.api.asks import Ask, Decide
from serving.api.endpoint import Asked, Reply
from serving.api.facts import Tell
from serving.api.limits import Deadline
from serving.api.plays import RecordPlay
from serving.api.postmortems import NameCause
from serving.api.problems import Problem, faults_of
from serving.pages.account import find, page_of
from serving.pages.door import Visit
from serving.pages.facts import given

UNDERSTOOD = (409, 422)
"""A form that was understood and cannot be: it is shown again with the reason."""
FIELDS = ("play", "reason", "tier", "risk_level")
"""Fields of the form of a decision."""
PLAYED = ("cost", "outcome")
"""Fields of the form of a play, beside the play."""


def decide(visit: Visit) -> Response:
    """POST /decisions: back to the account, which shows the decision."""
    refused = _refused(visit, "decision", lambda: decision_of(visit.form), decision_door.decide)
    return refused or _back(visit, "decisions", decided=visit.form["choice"])


def tell(visit: Visit) -> Response:
    """POST /facts: what differs from what is in force; back to the account, which shows it."""
    told = given(visit.context.policy, find(visit, _account(visit)).told, visit.form)
    if not told:
        return _back(visit, "facts")
    note = visit.form.get("note", "").strip() or None
    refused = _refused(visit, "facts", lambda: Tell(facts=told, note=note), fact_door.tell_facts)
    return refused or _back(visit, "facts", told=len(told))


def play(visit: Visit) -> Response:
    """POST /plays: a play that was carried out today; back to the account, which shows it."""
    refused = _refused(visit, "done", lambda: play_of(visit.form), play_door.record_play)
    return refused or _back(visit, "done", done=visit.form["done_play"])


def find_cause(visit: Visit) -> Response:
    """POST /postmortems: what a loss really was; back to the account, which shows it."""
    refused = _refused(visit, "postmortem", lambda: cause_of(visit.form), postmortem_door.name_cause)
    return refused or _back(visit, "postmortem", found=visit.form["found_cause"])


def cause_of(form: Mapping[str, str]) -> NameCause:
    """A form's fields as the cause of a loss; without a word on what is learned there is no note.

    Raises:
        ValidationError: no cause.
    """
    return NameCause(cause=form.get("found_cause", ""), note=form.get("learned", "").strip() or None)


def play_of(form: Mapping[str, str]) -> RecordPlay:
    """A form's fields as a play; empty ones are left out.

    Raises:
        ValidationError: no play, or a cost that is none.
    """
    held = {name: form[name].strip() for name in PLAYED if form.get(name, "").strip()}
    return RecordPlay.model_validate_strings({"play": form.get("done_play", ""), **held})


def decision_of(form: Mapping[str, str]) -> Decide:
    """A form's fields as a decision; empty ones are left out, and only an override puts something in place.

    Raises:
        ValidationError: an override without a reason, or a value that does not exist.
    """
    held = {name: form[name].strip() for name in FIELDS if form.get(name, "").strip()}
    placed = {name: held.pop(name) for name in ("tier", "risk_level") if name in held}
    choice = form.get("choice", "")
    return Decide.model_validate({"choice": choice, **held, "values": placed if choice == "override" else {}})


def _refused(
    visit: Visit, where: str, read: Callable[[], Ask], write: Callable[[Asked, Connection], Reply]
) -> Response | None:
    """Record what a form says; None where it is done, else the account's page with what the form was not taken for."""
    try:
        asked = _asked(visit, read())
        with visit.context.store.write() as db:
            write(asked, db)
    except ValidationError as error:
        return page_of(visit, _account(visit), status=422, faults=faults_of(error))
    except Problem as problem:
        return page_of(visit, _account(visit), status=422, faults=[_fault(where, problem)])
    return None


def _account(visit: Visit) -> str:
    return visit.form.get("account_id", "")


def _asked(visit: Visit, body: Ask) -> Asked:
    return Asked(
        context=visit.context,
        caller=visit.caller,
        request_id=visit.request.state.request_id,
        deadline=Deadline.after(visit.context.limits.work_seconds),
        path={"account_id": _account(visit)},
        body=body,
    )


def _fault(where: str, problem: Problem) -> Fault:
    """What a form was not taken for.

    Raises:
        Problem: the given one, if it is no fault of the form.
    """
    if problem.status not in UNDERSTOOD:
        raise problem
    return Fault(where=where, what=problem.detail or "")


def _back(visit: Visit, section: str, **done: Any) -> Response:
    """To a section of the account's page, which says what was recorded."""
    query = f"?{urlencode(done)}" if done else ""
    return RedirectResponse(f"/accounts/{quote(_account(visit), safe='')}{query}#{section}", 303)
