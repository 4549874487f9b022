"""The ASGI application: the API's endpoints, health, metrics and OpenAPI, and whatever pages are given."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from serving.api import health, problems
from serving.api.context import Context
from serving.api.endpoint import routes_of
from serving.api.frame import Frame
from serving.api.openapi import openapi_route
from serving.api.routes import ENDPOINTS

Opening = Callable[[], AbstractContextManager[Context]]


def create_app(opening: Opening, *, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """The application; `opening` is entered when it starts and left when it stops.

    Args:
        opening: gives the context, which is then `app.state.context`.
        pages: further routes, after the API's; they check access with `request.app.state.context.access`.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with opening() as context:
            app.state.context = context
            yield

    routes = [*health.ROUTES, openapi_route(ENDPOINTS), *routes_of(ENDPOINTS), *pages]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Frame)],
        exception_handlers=problems.HANDLERS,
    )
