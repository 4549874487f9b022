"""Is it alive, is it ready, how is it doing. Alive and ready are open to everybody and say nothing of anybody."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.api import logs
from serving.api.context import Context
from serving.api.endpoint import admitted
from serving.api.problems import problem_of, response_of
from serving.errors import ServingError
from serving.store import runs

NO_STORE = {"Cache-Control": "no-store"}


async def livez(request: Request) -> Response:
    """GET /livez: the process answers."""
    return JSONResponse({"alive": True}, headers=NO_STORE)


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 when the store answers and the live model scores its probe rows right, else 503.

    Of several processes all must have become ready once; when one ends later, the others serve.
    """
    checks = await run_in_threadpool(_checks, request.app.state.context)
    is_ready = set(checks.values()) == {"ok"}
    return JSONResponse({"ready": is_ready, "checks": checks}, 200 if is_ready else 503, headers=NO_STORE)


async def metrics(request: Request) -> Response:
    """GET /metrics, for a key that may read."""
    context: Context = request.app.state.context
    try:
        await admitted(context, request, "read")
    except ServingError as error:
        return response_of(problem_of(error), request.state.request_id)
    return Response(context.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8", headers=NO_STORE)


def _checks(context: Context) -> dict[str, str]:
    model, store = context.models.problem(), None
    try:
        with context.store.read() as db:
            runs.latest(db)
    except ServingError as error:
        store = str(error)
    problems = {"model": model, "store": store}
    if context.together:
        missing = context.together.missing
        problems["workers"] = f"{missing} are not ready" if missing else None
    for name, problem in problems.items():
        if problem:
            logs.tell("not ready", check=name, problem=problem)
    return {name: "failed" if problem else "ok" for name, problem in problems.items()}


ROUTES = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
