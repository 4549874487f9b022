"""The holdout: a seed made once, and the arm of every account that a play might have reached, drawn once each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select, update

from retention.effects.holdout import new_seed
from serving.errors import ServingError
from serving.store import audit
from serving.store.audit import Entry
from serving.store.bulk import Bound, bound, execute
from serving.store.records import columns, first, insert_if_absent, read, row_of
from serving.store.tables import holdout_seed, holdouts

Arm = Literal["treated", "holdout"]
ONLY = 1
"""The id of the one row of the seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """An account's draw: its arm, when it was drawn, and at which share of the holdout. It is never drawn again.

    A release ends the holding out from `released_at` on; the arm stays, since that is what was drawn.
    """

    account_id: str
    arm: Arm
    drawn_at: datetime
    share: float
    released_at: datetime | None = None
    released_by: str | None = None
    note: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether plays must leave the account alone."""
        return self.arm == "holdout" and self.released_at is None


def seed(db: Connection, *, at: datetime) -> str:
    """The seed of the draw, made at the first asking and the same ever after."""
    insert_if_absent(db, holdout_seed, {"id": ONLY, "seed": new_seed(), "made_at": at})
    return str(db.scalar(select(holdout_seed.c.seed).where(holdout_seed.c.id == ONLY)))


def draw(db: Connection, drawn: Iterable[Drawn]) -> int:
    """Keep draws; how many were new. An account that was drawn before keeps its arm, whatever the share is now."""
    return sum(execute(db, one) for one in bound_draws(db, drawn))


def bound_draws(db: Connection, drawn: Iterable[Drawn]) -> Iterator[Bound]:
    """What keeps draws."""
    return bound(db, holdouts, map(row_of, drawn), once=True)


def all_drawn(db: Connection) -> dict[str, Drawn]:
    """Every draw by account."""
    query = select(*columns(Drawn, holdouts)).order_by(holdouts.c.account_id)
    return {one.account_id: one for one in read(db, Drawn, query)}


def get(db: Connection, account_id: str) -> Drawn | None:
    """An account's draw; None where it was not drawn yet."""
    return first(db, Drawn, select(*columns(Drawn, holdouts)).where(holdouts.c.account_id == account_id))


def release(db: Connection, account_id: str, *, at: datetime, by: str, note: str) -> None:
    """Let plays reach a held-out account from now on.

    Raises:
        ServingError: the account is not held out, or no reason is given.
    """
    found = get(db, account_id)
    if found is None or not found.is_held:
        raise ServingError(f"{account_id} is not held out; `keepwell holdout show` lists those that are")
    if not note.strip():
        raise ServingError(f"{account_id}: say why it is released; a released account measures nothing any more")
    told: Mapping[str, object] = {"released_at": at, "released_by": by, "note": note}
    db.execute(update(holdouts).where(holdouts.c.account_id == account_id).values(**told))
    audit.record(db, [Entry(at=at, action="release", subject=account_id, detail={"by": by, "note": note})])
