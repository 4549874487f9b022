"""The deliverer of a running service: one thread that delivers until it is told to stop."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

from serving.delivery.deliver import Counts, deliver_due
from serving.delivery.desk import target_states
from serving.delivery.sending import Send, new_client, sender
from serving.delivery.targets import Target
from serving.errors import ServingError
from serving.store import Store

log = logging.getLogger(__name__)

REST_SECONDS = 2.0
"""Between two looks into an outbox in which nothing was to be done."""


STOP_SECONDS = 15.0
"""How long to wait at the end for a call that is under way; a lease frees what is left."""


def utc_now() -> datetime:
    """Now, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def run_deliverer(
    store: Store,
    targets: Mapping[str, Target],
    stop: Event,
    *,
    send: Send | None = None,
    clock: Callable[[], datetime] = utc_now,
    environ: Mapping[str, str] = os.environ,
    rest_seconds: float = REST_SECONDS,
) -> None:
    """Deliver what is due, rest, and again until `stop` is set. Meant as the body of a thread; never raises.

    Several may run on one store. A round that fails (the store is locked or away) is logged and tried again. A target
    that is paused, disabled or runs again is told in the log, once for each change. `stop` ends it after the batches
    under way.

    Args:
        store: whose outbox.
        targets: all that are configured.
        stop: set it to end the loop; it also ends the rest.
        send: how to call; None makes a client of its own.
        clock: now, naive UTC.
        environ: holds addresses and secrets (`check_secrets` says at the start whether all are there).
        rest_seconds: between two rounds, when the first sent nothing.
    """
    told: dict[str, str] = {}
    with new_client() as client:
        while targets and not stop.is_set():
            taken = _round(store, targets, clock, send or sender(client), environ, told)
            if not taken:
                stop.wait(rest_seconds)


@contextmanager
def delivering(store: Store, targets: Mapping[str, Target]) -> Iterator[None]:
    """While it is open, a thread delivers; without targets there is none."""
    stop = Event()
    thread = Thread(target=run_deliverer, args=(store, targets, stop), name="deliverer", daemon=True)
    if targets:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if targets:
            thread.join(timeout=STOP_SECONDS)


def _round(
    store: Store,
    targets: Mapping[str, Target],
    clock: Callable[[], datetime],
    send: Send,
    environ: Mapping[str, str],
    told: dict[str, str],
) -> int:
    """How many deliveries were taken; 0 after a failure."""
    try:
        counts = deliver_due(store, targets, clock=clock, send=send, environ=environ)
        if counts.sent:
            log.info("deliveries: %s", _in_words(counts))
            _tell_changes(store, targets, told)
    except ServingError as error:
        log.warning("delivering failed: %s; trying again", error)
        return 0
    except Exception:
        log.exception("delivering failed in a way that is a bug; trying again")
        return 0
    return counts.delivered


def _tell_changes(store: Store, targets: Mapping[str, Target], told: dict[str, str]) -> None:
    with store.read() as db:
        found = {state.target: state.told.split(" until ")[0] for state in target_states(db, targets)}
    for name, words in found.items():
        if told.get(name, "running") != words:
            log.warning("target %s: %s", name, words)
    told.update(found)


def _in_words(counts: Counts) -> str:
    return f"{counts.delivered} taken, {counts.retried} to be tried again, {counts.dead} given up, {counts.lost} lost"
