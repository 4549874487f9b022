"""An endpoint is a row of a table; one door serves them all: who, how often, what, then the work, then the answer."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving.api import logs, problems
from serving.api.access import Caller, Permission
from serving.api.answers import Answer, Fault
from serving.api.asks import Ask, Nothing, Query
from serving.api.bodies import JSON, may_be_large, raw_body, understood
from serving.api.context import Context
from serving.api.limits import Deadline
from serving.api.problems import Problem

UNSAFE = ("POST", "PUT", "DELETE")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that was let in and understood.

    `fingerprint` is the SHA-256 of method, address and body where there is an `idempotency_key`, else empty.
    """

    context: Context
    caller: Caller
    request_id: str
    deadline: Deadline
    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    idempotency_key: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer as bytes."""

    content: bytes
    status: int = 200
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer as JSON."""
    return Reply(answer.model_dump_json().encode(), status, headers=headers or {})


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address and method with what may be asked and answered there, and who may.

    Exactly one of `reads` and `writes` does the work; the latter gets a transaction that is committed with the answer.
    `misses` says that the thing asked for may not be there, `large` that the body may be a job's. `is_quick` tells
    requests that take a few milliseconds and wait for nothing: they are worked on at once, because a thread would cost
    more than it saves.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    permission: Permission
    answer: type[Answer] | None
    status: int = 200
    body: type[Ask] | None = None
    query: type[Query] = Nothing
    reads: Callable[[Asked], Reply] | None = None
    writes: Callable[[Asked, Connection], Reply] | None = None
    misses: bool = False
    conflicts: bool = False
    large: bool = False
    is_quick: Callable[[Asked], bool] = lambda _: False
    media_types: Sequence[str] = (JSON,)


def routes_of(endpoints: Sequence[Endpoint]) -> list[Route]:
    """The endpoints as routes, one an address."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [Route(path, Door(held), methods=list(held)) for path, held in by_path.items()]


class Door:
    """The endpoints of one address, by method, as an ASGI application; Starlette does not come between."""

    def __init__(self, held: Mapping[str, Endpoint]) -> None:
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose method is one of them."""
        endpoint = self._held["GET" if scope["method"] == "HEAD" else scope["method"]]
        response = await answer(endpoint, Request(scope, receive))
        await response(scope, receive, send)


async def answer(endpoint: Endpoint, request: Request) -> Response:
    """Serve one request; whatever goes wrong becomes a problem."""
    try:
        found = await _answered(endpoint, request)
    except Exception as error:
        problem = problems.problem_of(error)
        if problem.kind == "failed":
            told(error, request.state.request_id)
        return problems.response_of(problem, request.state.request_id)
    headers = {"Cache-Control": "no-store", **found.headers}
    return Response(found.content, found.status, headers, found.media_type)


def told(error: BaseException, request_id: str) -> None:
    """Log where an exception came from; its text may hold a customer's values and stays out."""
    where, at = [], error.__traceback__
    while at is not None:
        where.append(f"{at.tb_frame.f_code.co_filename.rpartition(sys.prefix)[2]}:{at.tb_lineno}")
        at = at.tb_next
    logs.tell("failed", request_id=request_id, error=type(error).__name__, where=where[-6:])


async def _answered(endpoint: Endpoint, request: Request) -> Reply:
    from serving.api.idempotency import perform  # it performs endpoints

    context: Context = request.app.state.context
    context.work.check()  # before anything else, so that turning away costs next to nothing
    caller = await admitted(context, request, endpoint.permission)
    if "\x00" in request.scope["path"]:
        raise Problem("not-found")  # no id has one, and not every database takes one
    query = _query(endpoint, request)
    key = _idempotency_key(endpoint, request)
    is_heavy = endpoint.large and may_be_large(request, context.limits)
    async with context.heavy.entered() if is_heavy else nullcontext():
        raw, body = await _body(context, endpoint, request, is_heavy)
        asked = Asked(
            context=context,
            caller=caller,
            request_id=request.state.request_id,
            deadline=Deadline.after(context.limits.work_seconds),
            path=request.path_params,
            query=query,
            body=body,
            idempotency_key=key,
            fingerprint=_fingerprint(request, raw) if key else "",
        )
        async with context.work.entered():
            if key is None and endpoint.is_quick(asked):
                return perform(endpoint, asked)
            return await run_in_threadpool(perform, endpoint, asked)


async def admitted(context: Context, request: Request, permission: Permission) -> Caller:
    """Who asks, if they may; pages use it too.

    Raises:
        Problem: 401 without a valid key, 403 without the permission or (for a cookie that wants to change something)
            without the CSRF token in `X-CSRF-Token`, 429 when the key asks too often.
    """
    caller = await context.access.caller(request)
    if caller is None:
        raise Problem("no-key", "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
    context.rates.take(caller.key.id)
    request.state.key_id = caller.key.id
    if not caller.may(permission):
        raise Problem("not-allowed", f"it needs the permission to {permission}, which the role {caller.key.role} lacks")
    csrf = request.headers.get("x-csrf-token")
    if request.method not in ("GET", "HEAD") and not context.access.csrf_is_right(caller, csrf):
        raise Problem("no-csrf-token")
    return caller


def _query(endpoint: Endpoint, request: Request) -> BaseModel:
    items = request.query_params.multi_items()
    if len(dict(items)) < len(items):
        raise Problem("invalid", faults=[Fault(where="query", what="a name is given twice")])
    return endpoint.query.model_validate(dict(items))


def _fingerprint(request: Request, raw: bytes) -> str:
    asked = request.method, request.url.path, request.url.query
    return sha256("\n".join(asked).encode() + b"\n" + raw).hexdigest()


def _idempotency_key(endpoint: Endpoint, request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None or endpoint.method not in UNSAFE:
        return None
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem("bad-idempotency-key", "it has 1 to 255 printable ASCII characters")
    return key


async def _body(
    context: Context, endpoint: Endpoint, request: Request, is_heavy: bool
) -> tuple[bytes, BaseModel | None]:
    """The bytes, and what they say."""
    kind, limits = endpoint.body, context.limits
    if kind is None:
        return b"", None
    raw = await raw_body(context, request, most=limits.job_body if endpoint.large else limits.body)
    return raw, await run_in_threadpool(understood, kind, raw) if is_heavy else understood(kind, raw)
