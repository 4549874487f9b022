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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from signal import SIGTERM
from subprocess import STDOUT, Popen
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS, LOOP_FACTORIES

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from serving.api import Context, Limits

CONFIG, BUNDLE = "KEEPWELL_CONFIG", "KEEPWELL_BUNDLE"
HOST, PORT = "127.0.0.1", 3000
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "OTEL_SDK_DISABLED": "true"}
WORKERS = "KEEPWELL_WORKERS"
MOST_WORKERS = 4
SWITCH_SECONDS = 0.001
"""That a thread beside the requests (audit log, jobs, deliveries) keeps them waiting; Python's own is 5 ms."""
LIMITS = {"KEEPWELL_REQUESTS_PER_SECOND": "per_second", "KEEPWELL_CONCURRENCY": "running"}


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

    config = Path(os.environ.get(CONFIG, "keepwell.toml"))
    return create_app(lambda: opened(config), pages=pages())


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


@contextmanager
def opened(config: Path) -> "Iterator[Context]":
    """Everything a request may use, from the configuration: store, policy, secret, and the model that is followed.

    With KEEPWELL_BUNDLE, a bundle's folder, that model is served and MLflow is not asked.

    Raises:
        SourceError, ServingError: the configuration, the policy, the store or the bundle cannot be used.
    """
    from features.config import load
    from serving.api import Facts, ModelHolder, open_context
    from serving.api.access import secret_of
    from serving.api.balance import balance
    from serving.api.context import utc_now
    from serving.api.follower import Follower, command
    from serving.api.together import Together
    from serving.delivery import check_secrets, delivering, read_targets
    from serving.errors import ServingError
    from serving.policy import load as load_policy
    from serving.store import open_store
    from serving.store.address import store_url

    settings = load(config)
    workers = workers_of(os.environ)
    policy = load_policy(settings.policy_file)
    facts = Facts(settings.company.name, settings.company.business_model, settings.tracking.model_name)
    models = ModelHolder(policy.bands)
    with ExitStack() as stack:
        store = open_store(store_url(settings))
        stack.callback(store.close)
        together = stack.enter_context(closing(Together(settings.home_dir, workers))) if workers > 1 else None
        counts = together.connections() if together else None
        if counts:
            balance(counts)
        folder = os.environ.get(BUNDLE)
        if folder is None:
            stack.enter_context(Follower(models, command(config), utc_now, together=together))
        elif not models.offer(Path(folder), None, at=utc_now()):
            raise ServingError(f"{BUNDLE}: {models.refused}")
        elif together:
            together.tell_ready()
        targets = read_targets(settings.delivery, settings.root)
        check_secrets(targets.values(), os.environ)
        stack.enter_context(delivering(store, targets))
        secret, limits = secret_of(settings.home_dir), limits_of(os.environ)
        yield stack.enter_context(
            open_context(store, models, policy, facts, secret=secret, limits=limits, together=together)
        )


def limits_of(environ: Mapping[str, str]) -> "Limits":
    """The limits of one process, with those that the environment replaces.

    Raises:
        ServingError: a value is no whole number above 0.
    """
    from serving.api import Limits

    given: dict[str, Any] = {field: _whole(environ, name) for name, field in LIMITS.items() if name in environ}
    if "per_second" in given:
        given["burst"] = 2 * given["per_second"]
    if "running" in given:
        given["waiting"] = 2 * given["running"]
    found, workers = Limits(**given), workers_of(environ)
    parts = {name: ceil(getattr(found, name) / workers) for name in ("running", "waiting", "reading", "heavy")}
    return replace(found, **parts)


def workers_of(environ: Mapping[str, str]) -> int:
    """How many processes serve.

    Raises:
        ServingError: as `limits_of`.
    """
    return _whole(environ, WORKERS) if WORKERS in environ else 1


def usual_workers() -> int:
    """One process a core, four at most: each holds some 250 MB."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


def _whole(environ: Mapping[str, str], name: str) -> int:
    from serving.errors import ServingError

    text = environ[name]
    if not text.isdigit() or int(text) == 0:
        raise ServingError(f"{name}={text}: give a whole number above 0")
    return int(text)


def pages() -> "Sequence[BaseRoute]":
    """The reviewer's pages, where they are installed."""
    if find_spec("serving.pages") is None:
        return ()
    from importlib import import_module

    return tuple(import_module("serving.pages").routes())


def command(config: Path, host: str = HOST, port: int = PORT) -> tuple[list[str], dict[str, str]]:
    """What starts the service, and in which environment.

    `usual_workers` processes serve, unless KEEPWELL_WORKERS says how many.

    Args:
        config: the company.
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        SourceError, ServingError: the configuration, policy or secret cannot be used.
    """
    from features.config import load
    from serving.api.access import secret_of
    from serving.policy import load as load_policy

    settings = load(config)
    load_policy(settings.policy_file)
    secret_of(settings.home_dir)
    limits_of(os.environ)
    words = ["serve", "serving.service:Keepwell", "--host", host, "--port", str(port)]
    environ = {WORKERS: str(usual_workers()), **os.environ, **QUIET, CONFIG: str(config.resolve())}
    return [sys.executable, "-m", "bentoml", *words], environ


def serve(config: Path, host: str = HOST, port: int = PORT, log: Path | None = None) -> "Popen[bytes]":
    """Start the service; stop it with `terminate()`, and it ends what it started.

    Args:
        config: the company.
        host: the address to listen on.
        port: the port to listen on.
        log: a file to append its log to; by default it goes where ours goes.

    Raises:
        SourceError, ServingError: as `command`.
    """
    words, environ = command(config, host, port)
    if log is None:
        return Popen(words, env=environ)
    with log.open("ab") as file:
        return Popen(words, env=environ, stdout=file, stderr=STDOUT)


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
