"""What a person asks of deliveries: what was sent and what came back, how targets are doing, a test, another try.

And to forget an account where it was told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from serving.delivery import csv_file, turns
from serving.delivery.deliver import send_now
from serving.delivery.events import ping_event
from serving.delivery.targets import TYPES, Crm, Csv, Target
from serving.delivery.tries import Outside
from serving.delivery.turns import State
from serving.errors import ServingError
from serving.store import Store, outbox
from serving.store.outbox import Attempt, Delivery, Status, replay
from serving.store.records import columns, read
from serving.store.tables import deliveries, delivery_attempts
from serving.store.tables import outbox as outbox_table

__all__ = ["Line", "forget", "listing", "ping", "replay", "target_states"]


@dataclass(frozen=True)
class Line:
    """One delivery with its tries, oldest first. What was sent is not in it: that is customers' data."""

    id: int
    event_id: str
    type: str
    account_id: str | None
    target: str
    status: Status
    tries: tuple[Attempt, ...]

    @property
    def last_response(self) -> str:
        """What came back last; empty before the first try."""
        return self.tries[-1].response if self.tries else ""


def listing(db: Connection, *, status: Status | None = None, target: str | None = None, limit: int = 100) -> list[Line]:
    """The delivery log, newest first."""
    return _lines(db, outbox.list_deliveries(db, status=status, target=target, limit=limit))


def target_states(db: Connection, targets: Iterable[str]) -> list[State]:
    """How each target is doing: running, paused after failures, or disabled because it said that it is gone."""
    return list(turns.states(db, list(targets)).values())


def ping(store: Store, target: Target, world: Outside) -> Line:
    """Test a target now, paused or not; when it goes well, a pause or a disabling ends.

    A webhook, a channel or a folder gets an event `ping`. A customer-success system gets the delivery that is next,
    because there every call writes an account.

    Raises:
        ServingError: there is no delivery to test a customer-success system with.
    """
    if isinstance(target, Crm):
        tried = send_now(store, target, world)
    else:
        with store.write() as db:
            event_id = outbox.add(db, ping_event(target.name, world.clock()), [target.name])
        tried = send_now(store, target, world, event_id)
    if not tried:
        raise ServingError(f"{target.name}: nothing waits to be sent now; replay a dead delivery, or score a day first")
    with store.read() as db:
        query = select(*columns(Delivery, deliveries, outbox_table)).join(outbox_table)
        return _lines(db, list(read(db, Delivery, query.where(deliveries.c.id == tried[0]))))[0]


def forget(targets: Iterable[Target], account_id: str) -> dict[str, int]:
    """Take an account out of the CSV files; how many rows by target. Systems behind an address keep what they have.

    Raises:
        ServingError: a file cannot be changed.
    """
    erased = {}
    for target in targets:
        if isinstance(target, Csv):
            try:
                erased[target.name] = csv_file.erase(target.folder, target.name, account_id)
            except (OSError, ValueError) as error:
                raise ServingError(
                    f"{target.folder}: not all files could be changed ({error}); forget again"
                ) from error
    return erased


def _lines(db: Connection, found: Sequence[Delivery]) -> list[Line]:
    ids = [one.id for one in found]
    query = select(*columns(Attempt, delivery_attempts)).where(delivery_attempts.c.delivery_id.in_(ids))
    tries: dict[int, list[Attempt]] = {}
    for attempt in read(db, Attempt, query.order_by(delivery_attempts.c.id)):
        tries.setdefault(attempt.delivery_id, []).append(attempt)
    return [_line(one, tries) for one in found]


def _line(one: Delivery, tries: Mapping[int, Sequence[Attempt]]) -> Line:
    kind = TYPES.get(one.kind, one.kind)
    made = tuple(tries.get(one.id, ()))
    return Line(one.id, one.event_id, kind, one.account_id, one.target, one.status, made)
