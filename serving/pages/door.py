"""The pages' door: who may see what, what a browser may do with it, and errors as pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from serving.api import problems
from serving.api.access import Caller, Permission
from serving.api.context import Context
from serving.api.endpoint import told
from serving.api.limits import read_body
from serving.api.problems import Problem
from serving.pages import words
from serving.pages.assets import address

POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect", "font")),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MOST_FORM, MOST_FIELDS = 64 * 1024, 40


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is logged in; `form` holds the fields of a form that was sent."""

    context: Context
    caller: Caller
    request: Request
    form: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        """The fields behind the question mark that hold something."""
        return {name: value for name, value in self.request.query_params.items() if value.strip()}

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        """A page of a template, with what every page shows."""
        access = self.context.access
        common = {
            "company": self.context.facts.company,
            "key": self.caller.key,
            "may": self.caller.may,
            "csrf": access.csrf_token(self.caller),
            "path": self.request.url.path,
        }
        return html(template, status, **common, **shown)


Handler = Callable[[Visit], Response]


def page(path: str, handler: Handler, *, permission: Permission = "read", method: str = "GET") -> Route:
    """A route behind the login. The handler runs in a thread, for it waits for the store."""
    return Route(path, partial(_enter, handler, permission), methods=[method], name=f"{method} {path}")


def open_page(path: str, handler: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
    """A route before the login."""
    return Route(path, partial(_safely, handler), methods=[method], name=f"{method} {path}")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of a field sent twice the last.

    Raises:
        Problem: 400, 408 or 413 for a body that is no small form.
    """
    context: Context = request.app.state.context
    async with context.reading.entered():
        body = await read_body(request, most=MOST_FORM, seconds=context.limits.body_seconds)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Problem("invalid", "the form cannot be read") from None


def is_from_here(request: Request) -> bool:
    """Whether a form was sent from our own page, as far as the browser tells (Sec-Fetch-Site, of Fetch Metadata)."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def html(template: str, status: int = 200, **shown: Any) -> Response:
    """A page that nobody may keep, frame, or bring scripts into."""
    return HTMLResponse(templates().get_template(template).render(**shown), status, HEADERS)


@cache
def templates() -> Environment:
    """The templates; everything that they show is escaped."""
    held = Environment(
        loader=PackageLoader("serving.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("number", "signed", "percent", "day", "minute", "plain", "clipped", "hours", "things")
    held.filters.update({name: getattr(words, name) for name in names})
    held.filters["quoted"] = partial(quote, safe="")
    held.globals.update(asset=address, UNKNOWN=words.UNKNOWN)
    return held


async def _enter(handler: Handler, permission: Permission, request: Request) -> Response:
    return await _safely(partial(_admitted, handler, permission), request)


async def _admitted(handler: Handler, permission: Permission, request: Request) -> Response:
    context: Context = request.app.state.context
    caller = await context.access.caller(request)
    if caller is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        there = here if request.method == "GET" else "/"
        return RedirectResponse(f"/login?{urlencode({'next': there})}", 303, {"Cache-Control": "no-store"})
    context.rates.take(caller.key.id)
    request.state.key_id = caller.key.id
    form = await form_of(request) if request.method == "POST" else {}
    if not caller.may(permission):
        raise Problem("not-allowed", f"a key of the role {caller.key.role} may not {permission}; ask for another key")
    if request.method == "POST" and not context.access.csrf_is_right(caller, form.get("csrf")):
        raise Problem("no-csrf-token", "the page was open for too long, or the form is not ours; load the page again")
    async with context.work.entered():
        return await run_in_threadpool(handler, Visit(context, caller, request, form))


async def _safely(handler: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Serve a page; whatever goes wrong becomes a page that says so."""
    try:
        return await handler(request)
    except Exception as error:
        problem = problems.problem_of(error)
        if problem.kind == "failed":
            told(error, request.state.request_id)
        kind = problems.KINDS[problem.kind]
        shown = html(
            "error.html",
            kind.status,
            title=kind.title,
            detail=problem.detail,
            faults=problem.faults,
            request_id=request.state.request_id,
        )
        if problem.retry_after is not None:
            shown.headers["Retry-After"] = str(problem.retry_after)
        return shown
