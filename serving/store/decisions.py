"""What people decided about an account, and what was then done: plays carried out or held out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from serving.errors import ServingError
from serving.store.records import columns, first, read, row_of
from serving.store.tables import decisions, interventions

Choice = Literal["accept", "override", "dismiss"]


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """A decision to record: who accepts, overrides or dismisses what was recommended.

    `by` is the API key's id. `play` is the play decided for. `values` are what an override puts in place, such as
    `{"tier": "yellow"}`. `run_id` is the run that the decision was made on. An override needs a reason.
    """

    account_id: str
    at: datetime
    by: str
    choice: Choice
    play: str | None = None
    reason: str | None = None
    values: dict[str, Any]
    run_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Decision(Choosing):
    """A decision in the store; `supersedes` is the account's decision before it."""

    id: int
    supersedes: int | None


@dataclass(frozen=True, kw_only=True)
class Doing:
    """A play carried out (`arm` treated) or deliberately left out (holdout) on an account; `cost` in money."""

    account_id: str
    at: datetime
    play: str
    arm: Literal["treated", "holdout"] = "treated"
    owner: str | None = None
    driver: str | None = None
    cost: float | None = None
    outcome: str | None = None
    decision_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Intervention(Doing):
    """A play in the store."""

    id: int


def decide(db: Connection, choosing: Choosing) -> Decision:
    """Record a decision; it supersedes the account's last one, which stays in the history.

    Raises:
        ServingError: an override without a reason.
    """
    if choosing.choice == "override" and not (choosing.reason or "").strip():
        raise ServingError(f"decision on {choosing.account_id}: an override needs a reason; say why")
    last = current(db, choosing.account_id)
    row = {**row_of(choosing), "supersedes": last.id if last else None}
    done = db.execute(insert(decisions).values(row)).inserted_primary_key
    return Decision(**row, id=_id(done))


def current(db: Connection, account_id: str) -> Decision | None:
    """The account's last decision; None where nobody decided yet."""
    query = select(*columns(Decision, decisions)).where(decisions.c.account_id == account_id)
    return first(db, Decision, query.order_by(decisions.c.id.desc()))


def history(db: Connection, account_id: str) -> list[Decision]:
    """The account's decisions, newest first."""
    query = select(*columns(Decision, decisions)).where(decisions.c.account_id == account_id)
    return list(read(db, Decision, query.order_by(decisions.c.id.desc())))


def intervene(db: Connection, doing: Doing) -> Intervention:
    """Record a play that was carried out or held out."""
    done = db.execute(insert(interventions).values(row_of(doing))).inserted_primary_key
    return Intervention(**row_of(doing), id=_id(done))


def list_interventions(db: Connection, *, account_id: str | None = None) -> list[Intervention]:
    """Plays on one account, or on all, oldest first."""
    query = select(*columns(Intervention, interventions)).order_by(interventions.c.at, interventions.c.id)
    return list(read(db, Intervention, query if account_id is None else query.where(_on(account_id))))


def _on(account_id: str) -> Any:
    return interventions.c.account_id == account_id


def _id(primary_key: Any) -> int:
    return int(primary_key[0])
