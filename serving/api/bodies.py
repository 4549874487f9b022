"""Bodies of requests: read within bounds, understood as what an endpoint takes.

Those of jobs may be large. Such a body has a place of its own until it is answered, and is understood in a thread:
while seconds go by over a million small objects, others are answered.
"""

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.api import problems, strict
from serving.api.context import Context
from serving.api.limits import Limits, read_body
from serving.api.problems import Problem

JSON = "application/json"


def may_be_large(request: Request, limits: Limits) -> bool:
    """Whether it may have more bytes than those of other endpoints; one that does not tell its length may."""
    declared = request.headers.get("content-length", "")
    return not (declared.isdigit() and int(declared) <= limits.body)


async def raw_body(context: Context, request: Request, *, most: int) -> bytes:
    """The bytes, of which `most` are taken.

    Raises:
        Problem: 415, it is no JSON; 429, too many are being read; 413 or 408.
    """
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media_type.strip() != JSON or charset not in ("", "utf-8"):
        raise Problem("not-json")
    async with context.reading.entered():
        return await read_body(request, most=most, seconds=context.limits.body_seconds)


def understood(kind: type[BaseModel], raw: bytes) -> BaseModel:
    """What it says.

    Raises:
        Problem: 400 or 422.
    """
    try:
        return kind.model_validate(strict.parse(raw))
    except ValidationError as error:
        problem = problems.problem_of(error)
    raise problem  # not in there: the error holds all that was read, for as long as something holds the problem
