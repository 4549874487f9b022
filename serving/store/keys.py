"""API keys: shown once, stored hashed, revocable.

A token is `kw_<id>_<secret>` with a secret of 256 random bits. SHA-256 is the right hash for it: nobody can try 2^256
secrets, so the slowness of a password hash buys nothing, and it would cost every request.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from serving.store.records import columns, first, read, row_of
from serving.store.tables import api_keys

Role = Literal["read", "score", "decide", "admin"]
ROLES: tuple[Role, ...] = ("read", "score", "decide", "admin")
TOKEN = re.compile(r"kw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
NOBODY = "0" * 64
"""The hash of no secret that anybody knows."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key without its secret; valid while `revoked_at` is None."""

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


def create(db: Connection, *, name: str, role: Role, at: datetime) -> tuple[ApiKey, str]:
    """Make a key; the record and the token, which is not kept and cannot be shown again."""
    key = ApiKey(id=secrets.token_hex(6), name=name, role=role, created_at=at)
    secret = secrets.token_urlsafe(32)
    db.execute(insert(api_keys).values(**row_of(key), hash=_hash(secret)))
    return key, f"kw_{key.id}_{secret}"


def verify(db: Connection, token: str) -> ApiKey | None:
    """Whose token it is; None for a wrong, unknown or revoked one, after a comparison in constant time."""
    shape = TOKEN.fullmatch(token)
    if shape is None:
        return None
    key_id, secret = shape.groups()
    held = db.scalar(select(api_keys.c.hash).where(api_keys.c.id == key_id))
    is_right = compare_digest(_hash(secret), held or NOBODY)
    key = get(db, key_id)
    return key if is_right and key and key.revoked_at is None else None


def get(db: Connection, key_id: str) -> ApiKey | None:
    """A key by its id, revoked or not."""
    return first(db, ApiKey, select(*columns(ApiKey, api_keys)).where(api_keys.c.id == key_id))


def list_keys(db: Connection) -> list[ApiKey]:
    """All keys, oldest first."""
    return list(read(db, ApiKey, select(*columns(ApiKey, api_keys)).order_by(api_keys.c.created_at, api_keys.c.id)))


def revoke(db: Connection, key_id: str, *, at: datetime) -> bool:
    """End a key at once; False where it is not there or was revoked before."""
    valid = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
    return db.execute(update(api_keys).where(valid).values(revoked_at=at)).rowcount == 1


def touch(db: Connection, key_id: str, *, at: datetime) -> None:
    """Say that a key was used; worth a write once a minute, not once a request."""
    db.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
