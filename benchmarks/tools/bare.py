"""The work behind bare Starlette: no key, no limit, no log."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.tools.work import Work
from serving.api.asks import Predict


def app() -> Starlette:
    """One address."""
    work = Work()

    async def predict(request: Request) -> Response:
        ask = Predict.model_validate(json.loads(await request.body()))
        found = work.predict(ask.rows, ask.max_top_factors, ask.explain)
        return Response(found.model_dump_json(), media_type="application/json")

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])
