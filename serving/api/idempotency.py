"""Do the work of a request once: with an Idempotency-Key its answer is kept with it and given again, byte for byte."""

from datetime import timedelta

from sqlalchemy import Connection

from serving.api.endpoint import Asked, Endpoint, Reply
from serving.api.problems import Problem
from serving.store import idempotency
from serving.store.idempotency import Held

LEASE = timedelta(seconds=60)
"""A claim of a process that died ends after this; longer than any request works."""
REPLAYED = {"Idempotency-Replayed": "true"}


def perform(endpoint: Endpoint, asked: Asked) -> Reply:
    """The endpoint's answer.

    Raises:
        Problem: 409, the key belongs to another request or its request is still worked on; and what the work raises.
    """
    asked.deadline.check()
    if asked.idempotency_key is None:
        return _worked(endpoint, asked, None)
    held = _claimed(asked, asked.idempotency_key)
    if held.state == "done":
        assert held.response is not None
        assert held.status is not None
        return Reply(held.response, held.status, held.content_type or "", REPLAYED)
    if held.state == "other_body":
        raise Problem("other-body")
    if held.state == "running":
        raise Problem("in-progress", retry_after=1)
    try:
        return _worked(endpoint, asked, held)
    except BaseException:
        with asked.context.store.write() as db:
            idempotency.release(db, held, key_id=asked.caller.key.id, idempotency_key=asked.idempotency_key)
        raise


def _claimed(asked: Asked, key: str) -> Held:
    context = asked.context
    with context.store.write() as db:
        return idempotency.claim(
            db,
            key_id=asked.caller.key.id,
            idempotency_key=key,
            body_hash=asked.fingerprint,
            at=context.clock(),
            lease=LEASE,
        )


def _worked(endpoint: Endpoint, asked: Asked, held: Held | None) -> Reply:
    """Work and keeping of the answer are one transaction, so that a kill in between undoes both."""
    if endpoint.writes is not None:
        with asked.context.store.write() as db:
            done = endpoint.writes(asked, db)
            _keep(db, asked, held, done)
            return done
    assert endpoint.reads is not None
    done = endpoint.reads(asked)
    if held is not None:
        with asked.context.store.write() as db:
            _keep(db, asked, held, done)
    return done


def _keep(db: Connection, asked: Asked, held: Held | None, done: Reply) -> None:
    if held is None or asked.idempotency_key is None:
        return
    idempotency.finish(
        db,
        held,
        key_id=asked.caller.key.id,
        idempotency_key=asked.idempotency_key,
        status=done.status,
        content_type=done.media_type,
        response=done.content,
    )
