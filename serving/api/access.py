"""Who asks, and what they may do: API keys in a header, or a signed cookie of a page's login.

A cookie names a key and is worth no more than it: when the key is revoked, the cookie is dead. A request that changes
something and comes with a cookie must also carry the CSRF token, which another site can neither read nor guess.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal

from anyio import CapacityLimiter, to_thread
from itsdangerous import BadSignature, Signer, URLSafeSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from serving.errors import ServingError
from serving.store import Store, keys
from serving.store.failures import StoreUnavailable
from serving.store.keys import ApiKey, Role

if TYPE_CHECKING:
    from serving.api.context import Clock

Permission = Literal["read", "score", "decide", "admin"]

MAY: Mapping[Role, frozenset[Permission]] = {
    "read": frozenset({"read"}),
    "score": frozenset({"read", "score"}),
    "decide": frozenset({"read", "score", "decide"}),
    "admin": frozenset({"read", "score", "decide", "admin"}),
}
"""What a key of each role may do. read: stored scores, model, policy, metrics; score: predictions, what-if and jobs;
decide: decisions on accounts; admin: other keys' jobs."""

COOKIE = "keepwell_session"
SESSION = timedelta(hours=12)
TRUSTED_SECONDS = 1.0
"""A key that was just verified is believed this long: a revoked one ends within it."""
VERIFIED_AT_ONCE = 4
"""A flood of wrong keys may use this many connections to the store, and no more."""
TOUCH_SECONDS = 60.0
"""How often `last_used_at` of a key is written at most."""
LEAST_SECRET = 32


@dataclass(frozen=True)
class Caller:
    """Whose request it is. `session` is the cookie's nonce; None for a key in a header."""

    key: ApiKey
    session: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the key's role allows it."""
        return permission in MAY[self.key.role]


class Access:
    """Keys, sessions and CSRF tokens of one store, signed with one secret.

    `clock` tells when a session ends, `ticks` (seconds that never go back) how long a verified key is believed.
    """

    def __init__(self, store: Store, secret: bytes, clock: "Clock", *, ticks: Callable[[], float] = monotonic) -> None:
        if len(secret) < LEAST_SECRET:
            raise ServingError(f"secret: {len(secret)} bytes are too few to sign cookies; use at least {LEAST_SECRET}")
        self._store, self._clock, self._ticks = store, clock, ticks
        self._sessions = URLSafeSerializer(secret, salt="keepwell.session", signer_kwargs=SHA256)
        self._csrf = Signer(secret, salt="keepwell.csrf", key_derivation="hmac", digest_method=sha256)
        self._at_once = CapacityLimiter(VERIFIED_AT_ONCE)
        self._trusted: dict[str, tuple[ApiKey, float]] = {}
        self._touched: dict[str, float] = {}

    async def caller(self, request: HTTPConnection) -> Caller | None:
        """Who asks, by header (it comes first) or cookie; None for nobody, or for a wrong or revoked key."""
        token = token_of(request)
        if token is not None:
            key = await self._trusted_or("token:" + sha256(token.encode()).hexdigest(), token, by_token=True)
            return Caller(key) if key else None
        held = self._opened(request.cookies.get(COOKIE))
        if held is None:
            return None
        key = await self._trusted_or("id:" + held[0], held[0], by_token=False)
        return Caller(key, held[1]) if key else None

    async def login(self, token: str) -> tuple[Caller, str] | None:
        """The session of a key, and the cookie's value for `set_cookie`; None for a wrong or revoked key."""
        key = await self._in_thread(token.strip(), by_token=True)
        if key is None:
            return None
        nonce = secrets.token_urlsafe(16)
        return Caller(key, nonce), str(self._sessions.dumps([key.id, nonce, (self._clock() + SESSION).isoformat()]))

    def csrf_token(self, caller: Caller) -> str:
        """The token that a page of this session puts into its forms and into `X-CSRF-Token`."""
        return self._csrf.get_signature(f"{caller.key.id}.{caller.session}").decode()

    def csrf_is_right(self, caller: Caller, token: str | None) -> bool:
        """Whether a request that changes something is meant: always for a key in a header, else by its token."""
        if caller.session is None:
            return True
        return compare_digest((token or "").encode(), self.csrf_token(caller).encode())

    def _opened(self, cookie: str | None) -> tuple[str, str] | None:
        """Key id and nonce of a cookie that we signed within the last 12 hours."""
        if not cookie:
            return None
        try:
            key_id, nonce, ends_at = self._sessions.loads(cookie)
        except (BadSignature, TypeError, ValueError):
            return None
        return (str(key_id), str(nonce)) if self._clock() < datetime.fromisoformat(ends_at) else None

    async def _trusted_or(self, name: str, credential: str, *, by_token: bool) -> ApiKey | None:
        known = self._trusted.get(name)
        if known and known[1] > self._ticks():
            return known[0]
        key = await self._in_thread(credential, by_token=by_token)
        self._trusted = {n: held for n, held in self._trusted.items() if held[1] > self._ticks()}
        if key:
            self._trusted[name] = key, self._ticks() + TRUSTED_SECONDS
        return key

    async def _in_thread(self, credential: str, *, by_token: bool) -> ApiKey | None:
        return await to_thread.run_sync(self._verified, credential, by_token, limiter=self._at_once)

    def _verified(self, credential: str, by_token: bool) -> ApiKey | None:
        with self._store.read() as db:
            key = keys.verify(db, credential) if by_token else keys.get(db, credential)
        if key is None or key.revoked_at is not None:
            return None
        self._touch(key.id, self._clock())
        return key

    def _touch(self, key_id: str, at: datetime) -> None:
        if self._ticks() - self._touched.get(key_id, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        self._touched[key_id] = self._ticks()
        try:
            with self._store.write() as db:
                keys.touch(db, key_id, at=at)
        except StoreUnavailable:  # a store that cannot be written still answers questions
            return


SHA256 = {"key_derivation": "hmac", "digest_method": sha256}


def token_of(request: HTTPConnection) -> str | None:
    """The key in `Authorization: Bearer` or `X-API-Key`; None where there is neither.

    What is no key, or two different ones, is a wrong key: nothing else that comes with the request mends it.
    """
    given = request.headers.getlist("authorization")
    schemes = [value.partition(" ") for value in given]
    tokens = {token.strip() if scheme.lower() == "bearer" else "" for scheme, _, token in schemes}
    tokens |= {value.strip() for value in request.headers.getlist("x-api-key")}
    return (tokens.pop() if len(tokens) == 1 else "") if tokens else None


def set_cookie(response: Response, value: str, *, is_https: bool) -> None:
    """Begin a session: out of reach of scripts, sent to this site alone and, over TLS, over TLS alone."""
    seconds = int(SESSION.total_seconds())
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="strict")


def clear_cookie(response: Response) -> None:
    """End a session on the browser's side."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def secret_of(home: Path) -> bytes:
    """What cookies are signed with: KEEPWELL_SECRET, else the file `secret` under home.

    The file is made on first use, for its owner alone.

    Raises:
        ServingError: KEEPWELL_SECRET is too short, or others than the owner may read the file.
    """
    named = os.environ.get("KEEPWELL_SECRET")
    if named is not None:
        if len(named.encode()) < LEAST_SECRET:
            raise ServingError(f"KEEPWELL_SECRET is too short to sign cookies; use at least {LEAST_SECRET} characters")
        return named.encode()
    path = home / "secret"
    if not path.exists():
        _make(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ServingError(f"{path} may be read by others than its owner; run `chmod 600 {path}`")
    return path.read_bytes()


def _make(path: Path) -> None:
    """Write a new secret whole or not at all; of two processes at once the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".secret.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(secrets.token_hex(32))
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
