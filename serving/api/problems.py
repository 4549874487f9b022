"""Errors as problem+json (RFC 9457), and the one place that maps what went wrong to a status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving.api.answers import Fault, ProblemAnswer
from serving.errors import ServingError
from serving.store.failures import StoreUnavailable

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its status, and what it means to who asked."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "bad-json": Kind(400, "The body is not the JSON that this endpoint reads"),
    "bad-idempotency-key": Kind(400, "The Idempotency-Key cannot be used"),
    "no-key": Kind(401, "A valid API key is needed"),
    "not-allowed": Kind(403, "This key may not do that"),
    "no-csrf-token": Kind(403, "The CSRF token is missing or wrong"),
    "not-found": Kind(404, "There is no such thing here"),
    "no-such-page": Kind(404, "The cursor leads nowhere"),
    "wrong-method": Kind(405, "This address does not take that method"),
    "body-too-slow": Kind(408, "The body took too long"),
    "other-body": Kind(409, "The Idempotency-Key was used for another request"),
    "in-progress": Kind(409, "The same request is being worked on"),
    "not-done": Kind(409, "The job has no result yet"),
    "ended": Kind(409, "The job has ended already"),
    "not-open": Kind(409, "The decision record does not take that"),
    "not-in-policy": Kind(409, "The policy in force has no such thing"),
    "no-such-cause": Kind(409, "retention.toml has no such cause"),
    "no-rows": Kind(409, "No account can be scored anew"),
    "too-large": Kind(413, "The body is too large"),
    "not-json": Kind(415, "The body must be application/json"),
    "invalid": Kind(422, "A value is not allowed"),
    "rate-limited": Kind(429, "This key asks too often"),
    "overloaded": Kind(429, "Too much is asked at once"),
    "failed": Kind(500, "Something went wrong here"),
    "store-away": Kind(503, "The store cannot be reached or written"),
    "no-model": Kind(503, "No model is live"),
    "too-slow": Kind(503, "The work took too long and was stopped"),
}


class Problem(ServingError):
    """A request that cannot be answered: one of `KINDS`, in this case because of `detail`."""

    def __init__(
        self, kind: str, detail: str | None = None, *, retry_after: int | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(detail or KINDS[kind].title)
        self.kind, self.detail, self.retry_after, self.faults = kind, detail, retry_after, tuple(faults)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind].status


def problem_of(error: Exception) -> Problem:
    """What an exception means to who asked."""
    match error:
        case Problem():
            return error
        case StoreUnavailable():
            return Problem("store-away", retry_after=5)
        case ValidationError():
            return Problem("invalid", faults=faults_of(error))
        case HTTPException(status_code=404):
            return Problem("not-found")
        case HTTPException(status_code=405):
            return Problem("wrong-method")
    return Problem("failed")


def faults_of(error: ValidationError) -> list[Fault]:
    """Which values are not allowed and why, the first twenty; the values themselves are not told again."""
    return [
        Fault(where=".".join(str(part) for part in fault["loc"]) or "body", what=fault["msg"])
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]


def response_of(problem: Problem, request_id: str) -> Response:
    """The problem as an answer."""
    kind = KINDS[problem.kind]
    answer = ProblemAnswer(
        type=f"urn:keepwell:problem:{problem.kind}",
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        request_id=request_id,
        errors=list(problem.faults),
    )
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(answer.model_dump_json(), kind.status, headers, MEDIA_TYPE)


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's way to the two functions above, for what no endpoint caught (no such address, wrong method)."""
    response = response_of(problem_of(error), request.state.request_id)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response


HANDLERS: Mapping[Any, Callable[..., Any]] = {HTTPException: handle, ServingError: handle}
