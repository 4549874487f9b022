"""The service: BentoML starts it, our application answers everything.

    KEEPWELL_CONFIG=keepwell.toml bentoml serve serving.service:Keepwell

BentoML's own addresses (`/metrics`, `/docs.json`, `/schema.json`, its probes and index page) are open to everybody, so
they are not reached: the application stands before them, and has its own. It stands before BentoML's middleware too,
which keeps a timer for a minute after each request. Nothing is opened at import.

KEEPWELL_WORKERS says how many processes serve: by default one, by `keepwell serve` one a core. They share what is in
the store (keys, idempotency, jobs, deliveries), a key's requests a second, what they count (`/metrics`), and the one
child that asks MLflow; the service is ready when all are. A model is swapped by each for itself, tenths of a second
apart.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS, LOOP_FACTORIES

from serving.environ import CONFIG, workers_of
from serving.starting import HOST, PORT

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

SWITCH_SECONDS = 0.001
"""That a thread beside the requests (audit log, jobs, deliveries) keeps them waiting; Python's own is 5 ms."""


class Before:
    """An ASGI application that answers every request itself and starts and stops with what it stands before."""

    def __init__(self, app: ASGIApp, build: "Callable[[], Starlette]") -> None:
        self.app, self._build = app, build
        self._ours: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; or, for the lifespan, open our application around BentoML's."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._ours is not None:
            await self._ours({**scope, "app": self._ours}, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            ours = self._build()
            opened = ours.router.lifespan_context(ours)
            await opened.__aenter__()
        except Exception as error:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": f"Keepwell cannot start: {error}"})
            return
        self._ours = ours
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()  # what is there now stays; looking through it for garbage would hold up a request for 0.1 seconds
        try:
            await self.app(scope, receive, send)
        finally:
            await opened.__aexit__(None, None, None)


def build() -> "Starlette":
    """The application for KEEPWELL_CONFIG; from now on this process keeps the trainer's tools out."""
    from serving.lean import keep_out

    keep_out()
    from serving.api import create_app
    from serving.opening import opened

    config = Path(os.environ.get(CONFIG, "keepwell.toml"))
    return create_app(lambda: opened(config), pages=pages())


def pages() -> "Sequence[BaseRoute]":
    """The reviewer's pages, where they are installed."""
    if find_spec("serving.pages") is None:
        return ()
    from importlib import import_module

    return tuple(import_module("serving.pages").routes())


def _end_with_parent() -> None:
    """End this process when BentoML's, which started it, is gone: it would hold the port against the next."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and _is_python(parent):
            sleep(1)
        os.kill(os.getpid(), SIGTERM)

    Thread(target=watch, name="orphan watch", daemon=True).start()


def _is_python(pid: int) -> bool:
    """Whether a process runs our interpreter, as BentoML's does; who inherits orphans (init) does not.

    So a parent that was gone before we looked is noticed too. True where there is no /proc to look into.
    """
    try:
        return Path(f"/proc/{pid}/exe").samefile(sys.executable)
    except FileNotFoundError:
        return True
    except PermissionError:  # another user's
        return False


class _Nothing:
    """BentoML starts a class; this one has no endpoints of its own."""


class _Ours(bentoml.Service[_Nothing]):  # type: ignore[misc]
    """BentoML's service, with our application before all of its own."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        _end_with_parent()
        return Before(super().to_asgi(is_main), build)


Keepwell: Any = bentoml.service(
    name="keepwell",
    service_class=_Ours,
    workers=workers_of(os.environ),
    http={"host": HOST, "port": PORT},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)(_Nothing)
HTTP_PROTOCOLS["auto"] = "serving.api.connections:Connection"  # BentoML has no setting for what its uvicorn speaks
LOOP_FACTORIES["auto"] = "serving.api.balance:loop_factory"
