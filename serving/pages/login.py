"""Login by key, and logout."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from serving.api.access import clear_cookie, set_cookie
from serving.api.context import Context
from serving.api.problems import Problem
from serving.pages.door import Visit, form_of, html, is_from_here


async def show(request: Request) -> Response:
    """GET /login: to the book for who is logged in already."""
    context: Context = request.app.state.context
    there = within(request.query_params.get("next"))
    if await context.access.caller(request) is not None:
        return RedirectResponse(there, 303)
    return html("login.html", company=context.facts.company, there=there, is_wrong=False)


async def enter(request: Request) -> Response:
    """POST /login: a session for a valid key. Wrong keys from one address are slowed down."""
    context: Context = request.app.state.context
    if not is_from_here(request):
        raise Problem("not-allowed", "the login form was sent from another site")
    context.rates.take(f"login:{request.client.host if request.client else ''}")
    form = await form_of(request)
    there = within(form.get("next"))
    found = await context.access.login(form.get("key", ""))
    if found is None:
        return html("login.html", 401, company=context.facts.company, there=there, is_wrong=True)
    response = RedirectResponse(there, 303, {"Cache-Control": "no-store"})
    set_cookie(response, found[1], is_https=request.url.scheme == "https")
    return response


def leave(visit: Visit) -> Response:
    """POST /logout."""
    response = RedirectResponse("/login", 303, {"Cache-Control": "no-store"})
    clear_cookie(response)
    return response


def within(address: str | None) -> str:
    r"""An address of ours to go to; the front page for one that would lead away.

    >>> within("/accounts/a?x=1"), within("//evil.example"), within("/\\evil.example"), within("https://evil.example")
    ('/accounts/a?x=1', '/', '/', '/')
    """
    held = address or "/"
    is_ours = held.startswith("/") and held[1:2] not in ("/", "\\") and held.isprintable()
    return held if is_ours else "/"
