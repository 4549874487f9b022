"""The OpenAPI document is true: schemathesis asks whatever it allows, and much of what it does not, of the service."""

import json
from collections import Counter
from math import ceil

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from serving.policy import load

LONG = pytest.mark.slow, pytest.mark.faults
ACCOUNTS = st.sampled_from([f"acme-{number:02}" for number in range(60)])
PLAYS, TIERS = (st.deferred(lambda name=name: st.sampled_from([*getattr(load(), name)])) for name in ("plays", "tiers"))
CREDENTIALS = "Authorization", "X-API-Key"
WAYS = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])


def to_what_there_is(data, case, job, way):
    """Send most of what is asked to an account or job that is there, and decide for plays and tiers of the policy.

    Bodies that are wrong on purpose stay as they are: to put something right in them would make them right.
    """
    if "account_id" in case.path_parameters and data.draw(st.integers(0, 3)):
        case.path_parameters["account_id"] = data.draw(ACCOUNTS)
    if "job_id" in case.path_parameters and data.draw(st.booleans()):
        case.path_parameters["job_id"] = job
    if way is GenerationMode.NEGATIVE:
        return
    if case.operation.label == "POST /v1/events" and isinstance(case.body, dict) and data.draw(st.integers(0, 3)):
        for event in [one for one in case.body.get("events") or () if isinstance(one, dict)]:
            event |= {"account_id": data.draw(ACCOUNTS)}
    if case.operation.label.endswith("decisions") and isinstance(case.body, dict) and data.draw(st.integers(0, 3)):
        case.body |= {"play": data.draw(PLAYS)} if "play" in case.body else {}
        if isinstance(case.body.get("values"), dict):
            case.body["values"] |= {"tier": data.draw(TIERS)}


def check(operation, live, job, cases):
    """Ask that many of an operation; the statuses that it answered."""
    told = Counter()
    strategies = {way: operation.as_strategy(way) for way in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)}

    @seed(3)
    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )
    @given(st.data())
    def ask(data):
        way = data.draw(WAYS)
        case = data.draw(strategies[way])
        to_what_there_is(data, case, job, way)
        for name in CREDENTIALS:  # those that were made up
            case.headers.pop(name, None)
        case.cookies.clear()
        answer = case.call_and_validate(headers={"X-API-Key": live.tokens["decide"]}, timeout=60)
        assert answer.status_code < 500
        told[answer.status_code] += 1

    ask()
    return told


@pytest.mark.parametrize(
    ("cases", "growth"), [pytest.param(200, 1.5, id="200"), pytest.param(10_000, 1.2, id="10,000", marks=LONG)]
)
def test_the_service_answers_as_the_document_says_and_keeps_no_memory(live, cases, growth):
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{live.port}/v1/openapi.json")
    job = json.loads(live.ask("POST", "/v1/jobs", '{"account_ids": ["acme-01"]}')[2])["id"]
    operations, told = [found.ok() for found in schema.get_all_operations()], {}
    for operation in operations:
        check(operation, live, job, 3)  # the first answers of each kind make caches
    with live.memory_below(growth):
        for operation in operations:
            told[operation.label] = check(operation, live, job, ceil(cases / len(operations)))
    asked = sum(told.values(), Counter())
    print(asked.total(), "cases:", sorted(asked.items()))  # noqa: T201
    assert asked.total() >= cases
    assert len(told) == sum(len(methods) for methods in schema.raw_schema["paths"].values())
    assert told["POST /v1/accounts/{account_id}/decisions"][201] > 0
    assert told["POST /v1/predict"][200] > 0
    assert told["POST /v1/events"][200] > 0
    assert told["GET /v1/jobs/{job_id}"][200] > 0
    assert told["GET /v1/accounts/{account_id}"][200] > 0
