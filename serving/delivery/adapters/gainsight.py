"""Gainsight CS: update of companies by key fields.

Company API documentation: header `Accesskey`, at most 50 records a call, 100 calls a minute and 50,000 a day; a record
that fails its validation fails the call (400 with `result` false, `errorCode`, `errorDesc`). The path and `keys=` are
those of a third-party description and were not seen on the vendor's page: check them against your tenant. A company
that is not there is not made: Gainsight's own loading does that.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from serving.delivery.adapters.fields import Adapter, Record, Refusal, mapped, titled
from serving.delivery.sending import JSON, Request, limits
from serving.delivery.targets import Crm

OBJECT = "Company"


def request(target: Crm, url: str, token: str, records: Sequence[Record]) -> Request:
    """The call for up to 50 companies. `url` is the tenant's (https://NAME.gainsightcloud.com)."""
    path = f"v1/data/objects/{quote(target.object or OBJECT)}?keys={quote(target.key)}"
    body = {"records": [_record(target, record) for record in records]}
    return Request(
        method="PUT",
        url=f"{url.rstrip('/')}/{path}",
        headers={"accesskey": token, **JSON},
        body=json.dumps(body, allow_nan=False).encode(),
        **limits(target),
    )


def read(target: Crm, body: str, records: Sequence[Record]) -> list[Refusal | None]:
    """All are taken when `result` is true and nothing failed; else each by its own error, or by the call's."""
    answer = json.loads(body)
    data = answer.get("data") or {}
    failed = dict(_failed(data))
    if answer["result"] is not True and not failed:
        return [Refusal(f"{answer.get('errorCode')}: {answer.get('errorDesc')}") for _ in records]
    found = [failed.get(i) for i in range(len(records))]
    if data.get("count", len(records)) < found.count(None):
        missing = {record.get(target.key) for record in data.get("records") or []}
        return [known or _unseen(record, missing) for known, record in zip(found, records, strict=True)]
    return found


def _record(target: Crm, record: Record) -> dict[str, Any]:
    return {target.key: record["external_id"]} | mapped(target, record, lambda ours: f"{titled(ours)}__gc")


def _failed(data: dict[str, Any]) -> Iterator[tuple[int, Refusal]]:
    """Refusals by position: `failures[].index/errorMessage`, or a list of errors for each record."""
    for one in data.get("failures") or []:
        yield int(one["index"]), Refusal(str(one.get("errorMessage")))
    for i, errors in enumerate(data.get("errors") or []):
        told = [inner for error in errors or [] for inner in error.get("errors") or []]
        if told:
            yield i, Refusal("; ".join(f"{e.get('fieldName')}: {e.get('errorMessage')}" for e in told))


def _unseen(record: Record, seen: set[Any]) -> Refusal | None:
    return None if record["external_id"] in seen else Refusal("not updated: is there a company with this key?")


ADAPTER = Adapter(50, request, read)
