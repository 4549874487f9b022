"""One round of delivering: claim what is due, send it, write down how it went.

Over the wire an event arrives at least once: a deliverer that dies between the answer and its writing down sends
again, with the same id. In our own records each (event, target) is delivered once.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection

from serving.delivery import turns
from serving.delivery.retry import retry_at
from serving.delivery.sending import Send
from serving.delivery.targets import HttpTarget, Target
from serving.delivery.tries import Outside, Result, batch_size, tries
from serving.store import Store, outbox
from serving.store.outbox import Claim

SPARE = 5
"""Timeouts of a target that one call may take: to connect, to send, and to read the answer."""

LEASE = timedelta(minutes=10)


@dataclass(frozen=True)
class Counts:
    """Deliveries of a round by outcome, and targets that were left alone.

    `lost`: another deliverer had taken it over, ours was too slow. `waiting`: targets paused or disabled.
    """

    delivered: int = 0
    retried: int = 0
    dead: int = 0
    lost: int = 0
    waiting: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def sent(self) -> int:
        """Deliveries that were tried."""
        return self.delivered + self.retried + self.dead + self.lost


def deliver_due(
    store: Store,
    targets: Mapping[str, Target],
    *,
    clock: Callable[[], datetime],
    send: Send,
    environ: Mapping[str, str] = os.environ,
) -> Counts:
    """One batch for each target that has something due. One target's failure is not another's.

    Args:
        store: whose outbox.
        targets: all that are configured; deliveries to others wait.
        clock: now, naive UTC.
        send: makes the calls (`sending.sender`).
        environ: holds addresses and secrets.

    Raises:
        StoreUnavailable: the store is locked, full or away; what was claimed is free again when its lease ends.
    """
    world, done = Outside(clock, send, environ), Counts()
    with store.read() as db:
        due = [name for name in targets if turns.has_due(db, name, clock())]
        states = turns.states(db, due)
    for name in due:
        allowed = states[name].allowance(clock(), batch_size(targets[name]))
        done += _to(store, targets[name], world, allowed) if allowed else Counts(waiting=1)
    return done


def send_now(store: Store, target: Target, world: Outside, event_id: str | None = None) -> list[int]:
    """Try one delivery to a target now, even if it is paused or disabled; ids of what was tried (none was waiting: []).

    Args:
        store: whose outbox.
        target: to whom.
        world: the time and the way to send.
        event_id: this event's, without another try if it fails; None for the one that is next.
    """
    with store.write() as db:
        at = world.clock()
        claims = turns.claim(db, target=target.name, at=at, lease=LEASE, limit=1, event_id=event_id)
    _send(store, target, claims, world, is_last=event_id is not None)
    return [claim.id for claim in claims]


def _to(store: Store, target: Target, world: Outside, limit: int) -> Counts:
    with store.write() as db:
        claims = turns.claim(db, target=target.name, at=world.clock(), lease=LEASE, limit=limit)
    return _send(store, target, claims, world)


def _send(store: Store, target: Target, claims: Sequence[Claim], world: Outside, *, is_last: bool = False) -> Counts:
    """Send what was claimed until it is done, the target is away or the lease nears its end; give the rest back."""
    done, left = Counts(), {claim.id: claim for claim in claims}
    try:
        for results in tries(target, claims, world):
            done += _settle(store, target, results, world.clock(), is_last=is_last)
            for result in results:
                del left[result.claim.id]
            if all(result.is_away for result in results) or not _has_time(target, claims, world.clock()):
                break
    finally:
        if left:
            with store.write() as db:
                turns.release(db, list(left.values()))
    return done


def _has_time(target: Target, claims: Sequence[Claim], at: datetime) -> bool:
    """Whether another call can end before the claims do."""
    needed = SPARE * target.timeout_seconds if isinstance(target, HttpTarget) else 60
    return at + timedelta(seconds=needed) < claims[0].claimed_until


def _settle(store: Store, target: Target, results: Sequence[Result], at: datetime, *, is_last: bool) -> Counts:
    """Write down how a call went, all of it together."""
    with store.write() as db:
        done = sum((_end(db, result, at, is_last=is_last) for result in results), Counts())
        if asked := max((r.asked for r in results if r.asked), default=None):
            turns.hold(db, target.name, at + asked)
    return done


def _end(db: Connection, result: Result, at: datetime, *, is_last: bool) -> Counts:
    claim, told = result.claim, result.response
    if result.verdict == "ok":
        return Counts(delivered=1) if outbox.ack(db, claim, at=at, response=told) else Counts(lost=1)
    again = None
    if result.verdict == "retry" and not is_last:
        key = f"{claim.event_id}/{claim.target}"
        again = retry_at(at, attempts=claim.attempts + 1, key=key, asked=result.asked)
    if not outbox.fail(db, claim, at=at, response=told, retry_at=again):
        return Counts(lost=1)
    return Counts(retried=1) if again else Counts(dead=1)
