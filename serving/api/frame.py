"""Around every request: its id, its line in the log, its metrics, and headers that browsers heed."""

import re
from collections.abc import Iterable
from time import perf_counter
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api import logs, problems
from serving.api.endpoint import told
from serving.api.problems import Problem

OURS_TO_REPEAT = re.compile(rb"[A-Za-z0-9._-]{1,64}")
REQUEST_ID = b"x-request-id"
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer that does not have its own."""

Headers = Iterable[tuple[bytes, bytes]]


class Frame:
    """ASGI middleware; an `X-Request-ID` that looks like one is taken over, else a new one is made."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _id_of(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, started = 0, perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), request_id)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            told(error, request_id)
            if status:
                raise
            await problems.response_of(Problem("failed"), request_id)(scope, receive, sending)
        finally:
            self._tell(scope, status, perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route, state = route_of(scope), scope["state"]
        context = getattr(scope["app"].state, "context", None)
        if context is not None:
            context.metrics.answered(route, scope["method"], status, seconds)
        facts = {"route": route, "method": scope["method"], "status": status, "ms": round(1000 * seconds, 2)}
        logs.tell("request", request_id=state["request_id"], key_id=state.get("key_id"), **facts)


def _id_of(headers: Headers) -> str:
    given = next((value for name, value in headers if name == REQUEST_ID), b"")
    return given.decode() if OURS_TO_REPEAT.fullmatch(given) else uuid4().hex


def _completed(headers: Headers, request_id: str) -> list[tuple[bytes, bytes]]:
    held = list(headers)
    names = {name for name, _ in held}
    return [*held, (REQUEST_ID, request_id.encode()), *(pair for pair in ALWAYS if pair[0] not in names)]


def route_of(scope: Scope) -> str:
    """The template of the address, which unlike the address itself names no account."""
    return str(getattr(scope.get("route"), "path", "none"))
