"""A store's address: what may stand in it, and what each driver wants to know of it."""

import os
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from features.config import Settings
from serving.errors import ServingError

DRIVERS = {"postgresql": "postgresql+pg8000", "postgres": "postgresql+pg8000", "sqlite": "sqlite"}
PORT = 5432
ANSWER_SECONDS = 60.0
"""A server that says nothing for so long is away; one large statement takes less."""

TLS = {"disable": {}, "require": {"ssl_context": True}, "verify-full": {"ssl_context": True}}
"""`sslmode` as other PostgreSQL clients spell it; where the connection is encrypted the certificate is checked."""


def store_url(settings: Settings) -> str:
    """Where a company's store is: KEEPWELL_STORE_URL, else `[store] url`, else a SQLite file under `home`."""
    named = os.environ.get("KEEPWELL_STORE_URL") or settings.store.url
    if named:
        return named
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.home_dir / 'store.db'}"


def parse(url: str, *, wait: float) -> tuple[URL, dict[str, Any]]:
    """The address for SQLAlchemy, and the driver's arguments.

    Args:
        url: `sqlite:///file.db` or `postgresql://user:password@host/database`, the latter with `?sslmode=` and
            `?host=/folder` of a Unix socket if need be.
        wait: seconds to wait for another's lock.

    Raises:
        ServingError: it is of another kind, or has a part that is not known.
    """
    try:
        address = make_url(url)
        address = address.set(drivername=DRIVERS[address.drivername])
    except (ArgumentError, KeyError) as error:
        raise ServingError("store: the address must be sqlite:///… or postgresql://…; check its spelling") from error
    if address.get_backend_name() == "sqlite":
        if address.database in (None, "", ":memory:"):
            raise ServingError("store: sqlite:// names no file, and memory is lost; give sqlite:///file.db")
        return address, {"timeout": wait, "isolation_level": None, "check_same_thread": False}
    limits = {"timeout": ANSWER_SECONDS, "startup_params": {"lock_timeout": f"{1000 * wait:.0f}ms"}}
    return address.set(query={}), limits | _asked(address)


def _asked(address: URL) -> dict[str, Any]:
    """What the part behind the question mark asks for."""
    asked: dict[str, Any] = {}
    for name, value in address.query.items():
        if name == "host":
            asked["unix_sock"] = f"{value}/.s.PGSQL.{address.port or PORT}"
        elif name == "sslmode" and value in TLS:
            asked |= TLS[str(value)]
        else:
            raise ServingError(f"store: the address asks for {name}={value}; only host and sslmode are known")
    return asked
