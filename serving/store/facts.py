"""Facts that no table holds and a person tells of an account; the newest of a name counts, older ones stay."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select

from serving.errors import ServingError
from serving.store.records import columns, read, row_of
from serving.store.tables import facts

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A fact to keep: a number, or a moment that ages by itself; neither takes back what was told before.

    `at` is when it became known: a run as of t reads what was told by t, (-infinity, t]. `by` is an API key's id, or
    the command line.
    """

    account_id: str
    name: str
    at: datetime
    by: str
    value: float | None = None
    moment: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fact(Telling):
    """A fact in the store."""

    id: int

    @property
    def is_told(self) -> bool:
        """False for what takes a fact back."""
        return self.value is not None or self.moment is not None

    def number(self, at: datetime) -> float | None:
        """What rules read at a moment: the number, or the days since the moment; None for what was taken back."""
        return self.value if self.moment is None else (at - self.moment) / DAY


def tell(db: Connection, telling: Telling) -> bool:
    """Keep a fact; whether it is news (the same again, or taking back what nobody told, writes nothing).

    Raises:
        ServingError: it became known before what was told last of this name: history is only ever added to at its end.
    """
    last = next((fact for fact in history(db, telling.account_id) if fact.name == telling.name), None)
    if last and last.at > telling.at:
        raise ServingError(
            f"{telling.name} of {telling.account_id} was told as of {last.at:%Y-%m-%d %H:%M} last; "
            "what came before it can no longer be told"
        )
    held = (last.value, last.moment, last.note) if last and last.is_told else (None, None, None)
    told = (telling.value, telling.moment, telling.note)
    if held == told or held[:2] == told[:2] == (None, None):
        return False
    db.execute(insert(facts).values(row_of(telling)))
    return True


def history(db: Connection, account_id: str) -> list[Fact]:
    """All that was ever told of an account, newest first."""
    query = select(*columns(Fact, facts)).where(facts.c.account_id == account_id)
    return list(read(db, Fact, query.order_by(facts.c.at.desc(), facts.c.id.desc())))


def in_force(db: Connection, account_id: str, *, at: datetime) -> dict[str, Fact]:
    """An account's facts as of a moment, by name; what was taken back is among them with neither value."""
    query = select(*columns(Fact, facts)).where(facts.c.account_id == account_id, facts.c.at <= at)
    return {fact.name: fact for fact in read(db, Fact, query.order_by(facts.c.at, facts.c.id))}


def all_in_force(db: Connection, *, at: datetime) -> list[Fact]:
    """The facts of every account as of a moment, by account and name; without what was taken back."""
    query = select(*columns(Fact, facts)).where(facts.c.at <= at).order_by(facts.c.at, facts.c.id)
    newest = {(fact.account_id, fact.name): fact for fact in read(db, Fact, query)}
    return [newest[key] for key in sorted(newest) if newest[key].is_told]


def numbers(db: Connection, *, at: datetime) -> dict[str, dict[str, float | None]]:
    """What rules read at a moment, by account and name."""
    found: dict[str, dict[str, float | None]] = {}
    for fact in all_in_force(db, at=at):
        found.setdefault(fact.account_id, {})[fact.name] = fact.number(at)
    return found
