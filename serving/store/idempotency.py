"""Idempotency keys: the same request twice is done once and answered twice with the same bytes.

Claim before the work; then do the work and `finish` in one transaction, so that a process killed in between has done
neither. Its claim ends by itself, and the next try is fresh.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, select, update

from serving.errors import ServingError
from serving.store.records import insert_if_absent
from serving.store.tables import idempotency

KEPT = timedelta(hours=24)
"""How long an answer is kept, as customary for such keys."""


@dataclass(frozen=True)
class Held:
    """What is known of a key.

    `fresh`: ours now, `claim` is the proof; do the work. `running`: elsewhere. `done`: here is the answer to give
    again. `other_body`: the key was used for another request.
    """

    state: Literal["fresh", "running", "done", "other_body"]
    claim: str | None = None
    status: int | None = None
    content_type: str | None = None
    response: bytes | None = None


def claim(db: Connection, *, key_id: str, idempotency_key: str, body_hash: str, at: datetime, lease: timedelta) -> Held:
    """Claim a key for a request, or say what became of it; of concurrent claims exactly one is fresh.

    Args:
        db: of `Store.write`; commit before the work.
        key_id: the API key's id; keys of different clients never meet.
        idempotency_key: the client's key.
        body_hash: of method, path and body.
        at: now.
        lease: how long an unfinished claim holds; longer than a request may take.
    """
    one, proof = _one(key_id, idempotency_key), secrets.token_hex(16)
    db.execute(delete(idempotency).where(one, idempotency.c.created_at <= at - KEPT))
    claimed = {"claim": proof, "claimed_until": at + lease}
    new = {"key_id": key_id, "idempotency_key": idempotency_key, "body_hash": body_hash, "created_at": at}
    if insert_if_absent(db, idempotency, {**new, **claimed}):
        return Held("fresh", claim=proof)
    row = db.execute(select(idempotency).where(one).with_for_update()).one_or_none()
    if row is None:
        return Held("running")  # released by another at this moment
    if row.body_hash != body_hash:
        return Held("other_body")
    if row.status is not None:
        return Held("done", status=row.status, content_type=row.content_type, response=row.response)
    if row.claimed_until > at:
        return Held("running")
    db.execute(update(idempotency).where(one).values(claimed))
    return Held("fresh", claim=proof)


def finish(
    db: Connection,
    held: Held,
    *,
    key_id: str,
    idempotency_key: str,
    status: int,
    content_type: str,
    response: bytes,
) -> None:
    """Keep the answer, in the transaction of the work.

    Raises:
        ServingError: the claim ended and another took it; the transaction must be undone, and is if this passes it.
    """
    ours = _one(key_id, idempotency_key) & _unfinished(held)
    answer = {"status": status, "content_type": content_type, "response": response}
    if db.execute(update(idempotency).where(ours).values(answer)).rowcount == 0:
        raise ServingError(f"idempotency key {idempotency_key}: the request outlived its claim; send it again")


def release(db: Connection, held: Held, *, key_id: str, idempotency_key: str) -> None:
    """Give up an unfinished claim: the work was not done and may be tried again."""
    db.execute(delete(idempotency).where(_one(key_id, idempotency_key) & _unfinished(held)))


def expire(db: Connection, *, at: datetime) -> int:
    """Drop what was claimed more than `KEPT` ago; how many."""
    return db.execute(delete(idempotency).where(idempotency.c.created_at <= at - KEPT)).rowcount


def _one(key_id: str, idempotency_key: str) -> ColumnElement[bool]:
    return (idempotency.c.key_id == key_id) & (idempotency.c.idempotency_key == idempotency_key)


def _unfinished(held: Held) -> ColumnElement[bool]:
    return (idempotency.c.claim == held.claim) & idempotency.c.status.is_(None)
