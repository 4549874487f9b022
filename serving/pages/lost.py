"""The page of an account that was lost: the latest run scores it no more, its post-mortem is still to be finished."""

from collections.abc import Sequence

from sqlalchemy import Connection
from starlette.responses import Response

from serving.api.answers import Fault
from serving.api.postmortems import PostMortemAnswer, lost_in, postmortem_of
from serving.pages.door import Visit
from serving.pages.flashes import flash


def look(visit: Visit, db: Connection, account_id: str) -> PostMortemAnswer | None:
    """The post-mortem of an account's last loss, as the API tells it; None where the newest report has no loss."""
    lost = lost_in(db, account_id)
    return postmortem_of(visit.context, db, lost, visit.request.state.request_id) if lost else None


def shown(visit: Visit, lost: PostMortemAnswer, *, status: int = 200, faults: Sequence[Fault] = ()) -> Response:
    """The page; with `faults`, what the form was not taken for."""
    said = {"faults": faults, "flash": flash(visit, faults)}
    return visit.page("lost.html", status, lost=lost, form=visit.form, **said)
