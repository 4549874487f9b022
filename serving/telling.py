"""Tell facts of an account: as the policy declares them, kept with a line each in the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from serving.policy import Policy, understood
from serving.store import audit, facts
from serving.store.audit import Entry
from serving.store.facts import Telling

COMMAND_LINE = "command line"


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Who tells, and when; `at` is when it became known, `now` when it is written down."""

    now: datetime
    at: datetime
    key_id: str | None = None
    request_id: str | None = None


def tell(
    db: Connection,
    policy: Policy,
    account_id: str,
    given: Mapping[str, float | str | None],
    teller: Teller,
    *,
    note: str | None = None,
) -> list[str]:
    """Keep facts of an account; the names of those that are news. None takes back what was told before.

    Raises:
        ServingError: the policy asks for no such thing, or not with such a value; nothing is kept.
    """
    tellings = [_telling(policy, account_id, name, value, teller, note) for name, value in given.items()]
    news = [telling for telling in tellings if facts.tell(db, telling)]
    audit.record(db, [_entry(telling, teller) for telling in news])
    return [telling.name for telling in news]


def _telling(
    policy: Policy, account_id: str, name: str, value: float | str | None, teller: Teller, note: str | None
) -> Telling:
    read = None if value is None else understood(policy, name, value, at=teller.at)
    moment = read if isinstance(read, datetime) else None
    number = None if isinstance(read, datetime) else read
    by = teller.key_id or COMMAND_LINE
    return Telling(account_id=account_id, name=name, at=teller.at, by=by, value=number, moment=moment, note=note)


def _entry(telling: Telling, teller: Teller) -> Entry:
    action = "clear fact" if telling.value is None and telling.moment is None else "set fact"
    return Entry(
        at=teller.now,
        action=action,
        key_id=teller.key_id,
        request_id=teller.request_id,
        subject=telling.account_id,
        detail={"name": telling.name},
    )
