"""Forms that are sent from an account's page: a decision, facts, a play; recorded as the API records them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from serving.api import decisions as decision_door
from serving.api import facts as fact_door
from serving.api import plays as play_door
from serving.api.answers import Fault
from serving.api.asks import Ask, Decide
from serving.api.endpoint import Asked
from serving.api.facts import Tell
from serving.api.limits import Deadline
from serving.api.plays import RecordPlay
from serving.api.problems import Problem, faults_of
from serving.pages.account import find, shown
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
    account_id = visit.form.get("account_id", "")
    found = find(visit, account_id)
    try:
        ask = decision_of(visit.form)
        with visit.context.store.write() as db:
            decision_door.decide(_asked(visit, account_id, ask), db)
    except ValidationError as error:
        return shown(visit, found, status=422, faults=faults_of(error))
    except Problem as problem:
        return shown(visit, found, status=422, faults=[_fault("decision", problem)])
    return _back(account_id, "decisions", decided=ask.choice)


def tell(visit: Visit) -> Response:
    """POST /facts: what differs from what is in force; back to the account, which shows it."""
    account_id = visit.form.get("account_id", "")
    found = find(visit, account_id)
    told = given(visit.context.policy, found.told, visit.form)
    if not told:
        return _back(account_id, "facts")
    try:
        ask = Tell(facts=told, note=visit.form.get("note", "").strip() or None)
        with visit.context.store.write() as db:
            fact_door.tell_facts(_asked(visit, account_id, ask), db)
    except ValidationError as error:
        return shown(visit, found, status=422, faults=faults_of(error))
    except Problem as problem:
        return shown(visit, found, status=422, faults=[_fault("facts", problem)])
    return _back(account_id, "facts", told=len(told))


def play(visit: Visit) -> Response:
    """POST /plays: a play that was carried out today; back to the account, which shows it."""
    account_id = visit.form.get("account_id", "")
    found = find(visit, account_id)
    try:
        ask = play_of(visit.form)
        with visit.context.store.write() as db:
            play_door.record_play(_asked(visit, account_id, ask), db)
    except ValidationError as error:
        return shown(visit, found, status=422, faults=faults_of(error))
    except Problem as problem:
        return shown(visit, found, status=422, faults=[_fault("done", problem)])
    return _back(account_id, "done", done=ask.play)


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


def _asked(visit: Visit, account_id: str, body: Ask) -> Asked:
    return Asked(
        context=visit.context,
        caller=visit.caller,
        request_id=visit.request.state.request_id,
        deadline=Deadline.after(visit.context.limits.work_seconds),
        path={"account_id": account_id},
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


def _back(account_id: str, section: str, **done: Any) -> Response:
    """To a section of the account's page, which says what was recorded."""
    query = f"?{urlencode(done)}" if done else ""
    return RedirectResponse(f"/accounts/{quote(account_id, safe='')}{query}#{section}", 303)
