"""Calls to targets: one request, one answer, no redirects, bounded in time and size."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx

from serving.delivery.guard import Resolve, checked, look_up
from serving.delivery.retry import Answer
from serving.delivery.targets import HttpTarget
from serving.errors import ServingError

MOST_BYTES = 1_000_000
"""Of an answer that are read; what a batch of 200 records answers is far below."""

LONGEST_READ = 3
"""How many times its timeout a call may spend on reading an answer that trickles in."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call to make. Address, headers and body hold secrets or customers' data and are not shown."""

    method: str = "POST"
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_seconds: float = 10.0
    allow_http: bool = False
    allow_private: bool = False


Send = Callable[[Request], Answer]
JSON = {"content-type": "application/json"}


def limits(target: HttpTarget) -> dict[str, Any]:
    """What a target allows its requests."""
    return {name: getattr(target, name) for name in ("timeout_seconds", "allow_http", "allow_private")}


def new_client() -> httpx.Client:
    """A client for `sender`: follows no redirect, reads no proxy and no password from the environment.

    It quiets its library's own loggers, which write addresses (Slack's are secrets) and headers.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.Client(follow_redirects=False, trust_env=False, headers={"user-agent": "keepwell"})


def sender(client: httpx.Client, resolve: Resolve = look_up) -> Send:
    """How requests are sent: to an address that `guard` allowed, and never raising."""

    def send(request: Request) -> Answer:
        try:
            allowed = {"allow_http": request.allow_http, "allow_private": request.allow_private}
            return _first(client, request, checked(request.url, **allowed, resolve=resolve))
        except ServingError as error:
            return Answer(None, f"not sent: {error}")
        except httpx.HTTPError as error:
            return Answer(None, f"no answer: {type(error).__name__}")
        except httpx.InvalidURL:
            return Answer(None, "not sent: the address is not a URL; correct it")

    return send


def _first(client: httpx.Client, request: Request, addresses: list[str]) -> Answer:
    """Call the first address that lets us connect: until then nothing was sent."""
    for address in addresses[:-1]:
        try:
            return _call(client, request, address)
        except httpx.ConnectError:
            continue
    return _call(client, request, addresses[-1])


def _call(client: httpx.Client, request: Request, address: str) -> Answer:
    """Call the numeric address under the URL's own name, by which its certificate is checked."""
    parts = urlsplit(request.url)
    call = client.stream(
        request.method,
        httpx.URL(request.url).copy_with(host=address),
        headers={**request.headers, "host": parts.netloc, "accept-encoding": "identity"},
        content=request.body,
        timeout=request.timeout_seconds,
        extensions={"sni_hostname": parts.hostname or ""},
    )
    until = monotonic() + LONGEST_READ * request.timeout_seconds
    with call as response:
        return Answer(response.status_code, _read(response, until), response.headers.get("retry-after"))


def _read(response: httpx.Response, until: float) -> str:
    """The beginning of the answer; what came before the connection broke, where it does: the status stands."""
    held = bytearray()
    try:
        for chunk in response.iter_raw():
            held += chunk
            if len(held) >= MOST_BYTES or monotonic() >= until:
                break
    except httpx.HTTPError as error:
        held += f" (broken off: {type(error).__name__})".encode()
    return held[:MOST_BYTES].decode(errors="replace")
