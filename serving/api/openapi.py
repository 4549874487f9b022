"""The OpenAPI 3.1 document, made from the table of endpoints and the models of asks and answers."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.api.access import COOKIE, MAY
from serving.api.answers import ProblemAnswer
from serving.api.bodies import JSON
from serving.api.endpoint import UNSAFE, Endpoint
from serving.api.problems import KINDS, MEDIA_TYPE

PATH = "/v1/openapi.json"
REF = "#/components/schemas/{model}"
EVERYWHERE = 400, 401, 403, 422, 429, 500, 503
WITH_BODY = 408, 413, 415


def openapi_route(endpoints: Sequence[Endpoint]) -> Route:
    """GET /v1/openapi.json, open to everybody: it tells what can be asked, and nothing of any account."""
    held: list[bytes] = []

    async def openapi(request: Request) -> Response:
        if not held:
            held.append(json.dumps(document(endpoints)).encode())
        return Response(held[0], media_type=JSON)

    return Route(PATH, openapi)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    asked = [(e.body, "validation") for e in endpoints if e.body]
    told = [(e.answer, "serialization") for e in endpoints if e.answer]
    kinds: Any = list(dict.fromkeys([*asked, *told, (ProblemAnswer, "serialization")]))
    names, definitions = models_json_schema(kinds, ref_template=REF)
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        address = endpoint.path.replace(":path", "")
        paths.setdefault(address, {})[endpoint.method.lower()] = _operation(endpoint, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keepwell",
            "version": "1",
            "description": "Customer health and churn. health_score: higher is safer. churn_probability: higher is "
            "riskier. null is not known, never zero.",
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "securitySchemes": _schemes()},
        "security": [{"bearer": []}, {"header": []}, {"cookie": []}],
    }


def _operation(endpoint: Endpoint, names: Any) -> dict[str, Any]:
    roles = ", ".join(role for role, may in MAY.items() if endpoint.permission in may)
    found: dict[str, Any] = {
        "operationId": getattr(endpoint.reads or endpoint.writes, "__name__", ""),
        "summary": endpoint.summary,
        "description": f"Roles: {roles}.",
        "parameters": list(_parameters(endpoint)),
        "responses": _responses(endpoint, names),
    }
    if endpoint.body is not None:
        content = {JSON: {"schema": names[endpoint.body, "validation"]}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for part in endpoint.path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}").partition(":")[0]
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for name, schema in endpoint.query.model_json_schema().get("properties", {}).items():
        known = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
        told = {"description": schema["description"]} if "description" in schema else {}
        yield {"name": name, "in": "query", "required": False, "schema": known[0], **told}
    if endpoint.method in UNSAFE:
        words = "The same key and request again give the same bytes, once done; kept for 24 hours."
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        yield {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": words}


def _responses(endpoint: Endpoint, names: Any) -> dict[str, Any]:
    schema = names[endpoint.answer, "serialization"] if endpoint.answer else {}
    content = {media_type: {"schema": schema} for media_type in endpoint.media_types}
    found: dict[str, Any] = {str(endpoint.status): {"description": endpoint.summary, "content": content}}
    statuses = [*EVERYWHERE, *(WITH_BODY if endpoint.body else ())]
    statuses += [404] if endpoint.misses else []
    statuses += [409] if endpoint.conflicts else []
    problem = {MEDIA_TYPE: {"schema": names[ProblemAnswer, "serialization"]}}
    for status in sorted(statuses):
        titles = sorted({kind.title for kind in KINDS.values() if kind.status == status})
        found[str(status)] = {"description": ". Or: ".join(titles), "content": problem}
        if status in (409, 429, 503):
            found[str(status)]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return found


def _schemes() -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
