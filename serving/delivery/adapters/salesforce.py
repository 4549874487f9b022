"""Salesforce: upsert by external id through sObject Collections.

REST API guide, "Upsert Records Using sObject Collections": PATCH, up to 200 records of one type, each with
`attributes.type` and the external-id field, `allOrNone` false; the answer is 200 with one UpsertResult a record in the
request's order (`success`, `errors[].statusCode/message/fields`), 400 for a malformed request.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from serving.delivery.adapters.fields import Adapter, Record, Refusal, mapped, titled
from serving.delivery.sending import JSON, Request, limits
from serving.delivery.targets import Crm

VERSION = "v63.0"
OBJECT = "Account"
PASSING = ("UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""Errors that another try can get past."""


def request(target: Crm, url: str, token: str, records: Sequence[Record]) -> Request:
    """The call for up to 200 accounts. `url` is the organisation's own (https://NAME.my.salesforce.com)."""
    kind, version = quote(target.object or OBJECT), quote(target.version or VERSION)
    body = {"allOrNone": False, "records": [_record(target, record) for record in records]}
    return Request(
        method="PATCH",
        url=f"{url.rstrip('/')}/services/data/{version}/composite/sobjects/{kind}/{quote(target.key)}",
        headers={"authorization": f"Bearer {token}", **JSON},
        body=json.dumps(body, allow_nan=False).encode(),
        **limits(target),
    )


def read(target: Crm, body: str, records: Sequence[Record]) -> list[Refusal | None]:
    """One result a record, in order."""
    return [_refusal(result) for _, result in zip(records, json.loads(body), strict=True)]


def _record(target: Crm, record: Record) -> dict[str, Any]:
    about = {"attributes": {"type": target.object or OBJECT}, target.key: record["external_id"]}
    return about | mapped(target, record, lambda ours: f"{titled(ours)}__c")


def _refusal(result: dict[str, Any]) -> Refusal | None:
    if result["success"] is True:
        return None
    errors = result.get("errors") or []
    told = "; ".join(f"{error.get('statusCode')}: {error.get('message')}" for error in errors)
    return Refusal(told or "refused without a reason", not any(e.get("statusCode") in PASSING for e in errors))


ADAPTER = Adapter(200, request, read)
