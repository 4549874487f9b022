"""HubSpot: batch upsert of companies by a property with unique values.

CRM API reference 2026-03, "Upsert companies": POST `/crm/objects/2026-03/companies/batch/upsert` with
`inputs[].id/idProperty/properties/objectWriteTraceId`; the answer has `status`, `results[]` and, where some failed
(207), `numErrors` and `errors[].message/context`. Batches are of up to 100. Every part of an error is optional by the
documentation of errors, so a record counts as taken only when a result carries its trace id or its unique value.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from serving.delivery.adapters.fields import Adapter, Record, Refusal, mapped
from serving.delivery.sending import JSON, Request, limits
from serving.delivery.targets import Crm

VERSION = "2026-03"
OBJECT = "companies"


def request(target: Crm, url: str, token: str, records: Sequence[Record]) -> Request:
    """The call for up to 100 companies. `url` is https://api.hubapi.com."""
    kind, version = quote(target.object or OBJECT), quote(target.version or VERSION)
    body = {"inputs": [_input(target, i, record) for i, record in enumerate(records)]}
    return Request(
        url=f"{url.rstrip('/')}/crm/objects/{version}/{kind}/batch/upsert",
        headers={"authorization": f"Bearer {token}", **JSON},
        body=json.dumps(body, allow_nan=False).encode(),
        **limits(target),
    )


def read(target: Crm, body: str, records: Sequence[Record]) -> list[Refusal | None]:
    """Taken are the records among the results; the others get the error that names them, or all errors."""
    answer = json.loads(body)
    taken = {mark for result in answer["results"] for mark in _marks(target, result)}
    errors = answer.get("errors") or []
    return [
        None if str(i) in taken or ("id", record["external_id"]) in taken else _refusal(errors, i, record)
        for i, record in enumerate(records)
    ]


def _input(target: Crm, i: int, record: Record) -> dict[str, Any]:
    """An empty string clears a property there; null would leave the old value standing."""
    fields = mapped(target, record, lambda ours: f"keepwell_{ours}")
    properties = {name: "" if value is None else value for name, value in fields.items()}
    own = {"id": record["external_id"], "idProperty": target.key}
    return own | {"objectWriteTraceId": str(i), "properties": properties}


def _marks(target: Crm, result: dict[str, Any]) -> list[Any]:
    held = (result.get("properties") or {}).get(target.key)
    return [mark for mark in (result.get("objectWriteTraceId"), ("id", held) if held else None) if mark]


def _refusal(errors: Sequence[dict[str, Any]], i: int, record: Record) -> Refusal:
    """Error contexts hold lists of text, such as `{"objectWriteTraceId": ["3"]}` or `{"ids": ["acme"]}`."""
    mine = [error for error in errors if _names(error, {str(i)}, "objectWriteTraceId")]
    mine = mine or [error for error in errors if _names(error, {record["external_id"]}, "ids", "id")]
    told = "; ".join(str(error.get("message")) for error in mine or errors)
    return Refusal(told or "not among the results, and no error says why")


def _names(error: dict[str, Any], wanted: set[str], *keys: str) -> bool:
    context = error.get("context") or {}
    return any(wanted & set(map(str, context.get(key) or [])) for key in keys)


ADAPTER = Adapter(100, request, read)
