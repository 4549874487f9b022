"""Calls to customer-success systems and their answers, in the forms that the vendors document."""

import json
from datetime import datetime, timedelta

import pytest

from serving.delivery import deliver_due, enqueue, listing, ping, read_targets, replay, scored_event
from serving.delivery.adapters import ADAPTERS
from serving.delivery.adapters.fields import SENT
from serving.delivery.deliver import Counts
from serving.delivery.events import SCALARS
from serving.delivery.retry import Answer
from serving.delivery.tries import Outside
from serving.errors import ServingError
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored

NOW = datetime(2026, 3, 2, 8)
ENVIRON = {"TOKEN": "token-of-the-platform"}
URLS = {
    "salesforce": "https://acme.my.salesforce.com",
    "hubspot": "https://api.hubapi.com",
    "gainsight": "https://acme.gainsightcloud.com",
}
KEYS = {"salesforce": "Keepwell_Id__c", "hubspot": "keepwell_id", "gainsight": "Account_ID__gc"}
RECORDS = [
    {"external_id": "acme", "health_score": 38.2, "tier": "red", "as_of": "2026-03-02T00:00:00"},
    {"external_id": "bolt", "health_score": None, "tier": None, "as_of": None},
]


def target(kind, **more):
    table = {"kind": kind, "url": URLS[kind], "secret_env": "TOKEN", "key": KEYS[kind]}
    return read_targets({"targets": {"crm": table | more}})["crm"]


def called(kind, **more):
    return ADAPTERS[kind].request(target(kind, **more), URLS[kind], "token", RECORDS)


FIELDS = {"health_score": "Score", "tier": "Tier", "as_of": "On"}


@pytest.mark.system("M9")
def test_salesforce_is_asked_to_upsert_by_external_id():
    call = called("salesforce", fields=FIELDS)
    assert call.method == "PATCH"
    assert call.url == f"{URLS['salesforce']}/services/data/v63.0/composite/sobjects/Account/Keepwell_Id__c"
    assert call.headers["authorization"] == "Bearer token"
    about = {"attributes": {"type": "Account"}}
    assert json.loads(call.body) == {
        "allOrNone": False,
        "records": [
            about | {"Keepwell_Id__c": "acme", "Score": 38.2, "Tier": "red", "On": "2026-03-02T00:00:00Z"},
            about | {"Keepwell_Id__c": "bolt", "Score": None, "Tier": None, "On": None},
        ],
    }


@pytest.mark.system("M9")
def test_hubspot_is_asked_to_upsert_by_a_unique_property_and_clears_what_is_unknown():
    call = called("hubspot", fields=FIELDS)
    assert call.method == "POST"
    assert call.url == "https://api.hubapi.com/crm/objects/2026-03/companies/batch/upsert"
    first, second = json.loads(call.body)["inputs"]
    assert first == {
        "id": "acme",
        "idProperty": "keepwell_id",
        "objectWriteTraceId": "0",
        "properties": {"Score": 38.2, "Tier": "red", "On": "2026-03-02T00:00:00Z"},
    }
    assert second["properties"] == {"Score": "", "Tier": "", "On": ""}


@pytest.mark.system("M9")
def test_gainsight_is_asked_to_update_by_key():
    call = called("gainsight", fields=FIELDS)
    assert call.method == "PUT"
    assert call.url == "https://acme.gainsightcloud.com/v1/data/objects/Company?keys=Account_ID__gc"
    assert call.headers["accesskey"] == "token"
    assert json.loads(call.body)["records"][0] == {
        "Account_ID__gc": "acme",
        "Score": 38.2,
        "Tier": "red",
        "On": "2026-03-02T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("salesforce", "Keepwell_Churn_Probability__c"),
        ("hubspot", "keepwell_churn_probability"),
        ("gainsight", "Keepwell_Churn_Probability__gc"),
    ],
)
def test_all_fields_have_a_name_there_and_exist_here(kind, name):
    assert name in called(kind).body.decode()
    assert set(SENT) <= {*SCALARS, "scored_at", "as_of", "model_version"}


def test_a_call_shows_neither_token_nor_customers():
    assert "token" not in repr(called("salesforce"))
    assert "acme" not in repr(called("salesforce"))


def read(kind, answer, records=RECORDS):
    body = answer if isinstance(answer, str) else json.dumps(answer)
    return [r and r.reason for r in ADAPTERS[kind].read(target(kind), body, records)]


def test_salesforce_tells_by_position_which_record_it_refused():
    """The forms of UpsertResult in the REST guide."""
    taken = {"id": "001RM000003oLruYAE", "success": True, "errors": [], "created": True}
    error = {"statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "message": "bad value", "fields": ["Tier"]}
    answer = [taken, {"success": False, "errors": [error]}]
    assert read("salesforce", answer) == [None, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: bad value"]


def test_a_locked_row_in_salesforce_is_worth_another_try():
    error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "fields": []}
    refusals = ADAPTERS["salesforce"].read(
        target("salesforce"), json.dumps([{"success": False, "errors": [error]}]), RECORDS[:1]
    )
    assert [refusal.is_final for refusal in refusals] == [False]


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([{"id": "7", "objectWriteTraceId": "0", "new": False}], id="by trace id"),
        pytest.param([{"id": "7", "properties": {"keepwell_id": "acme"}}], id="by unique value"),
    ],
)
@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"objectWriteTraceId": ["1"]}, id="error by trace id"),
        pytest.param({"ids": ["bolt"]}, id="error by id"),
        pytest.param({}, id="error without context"),
    ],
)
def test_hubspot_takes_what_is_among_the_results(results, context):
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": "tier is not an option", "context": context}
    answer = {"status": "COMPLETE", "results": results, "numErrors": 1, "errors": [error]}
    assert read("hubspot", answer) == [None, "tier is not an option"]


def test_hubspot_s_errors_are_told_of_the_record_that_they_name():
    errors = [
        {"message": "first is bad", "context": {"objectWriteTraceId": ["0"]}},
        {"message": "second is bad", "context": {"objectWriteTraceId": ["1"]}},
    ]
    assert read("hubspot", {"results": [], "errors": errors}) == ["first is bad", "second is bad"]


def test_a_record_of_which_hubspot_says_nothing_was_not_taken():
    answer = {"status": "COMPLETE", "results": [{"objectWriteTraceId": "1"}]}
    assert read("hubspot", answer) == ["not among the results, and no error says why", None]


def test_gainsight_took_all_or_says_what_it_refused():
    fine = {"result": True, "errorCode": None, "errorDesc": None, "data": {"count": 2, "errors": None}}
    assert read("gainsight", fine) == [None, None]
    refused = {"result": False, "errorCode": "GSOBJ_1007", "errorDesc": "Invalid field value"}
    assert read("gainsight", refused) == ["GSOBJ_1007: Invalid field value"] * 2


def test_gainsight_s_errors_are_told_by_position():
    error = {"fieldName": "Tier", "errorMessage": "not in the list", "errorCode": "GSOBJ_1008", "invalidValue": "red"}
    nested = [[], [{"success": False, "errors": [error]}]]
    answer = {"result": False, "errorCode": "GSOBJ_1008", "errorDesc": "x", "data": {"count": 1, "errors": nested}}
    assert read("gainsight", answer) == [None, "Tier: not in the list"]
    answer = {"result": True, "data": {"count": 1, "failures": [{"index": 0, "errorMessage": "no such company"}]}}
    assert read("gainsight", answer) == ["no such company", None]


def test_a_company_that_gainsight_did_not_update_is_not_taken():
    answer = {"result": True, "data": {"count": 1, "records": [{"Gsid": "1P0", "Account_ID__gc": "bolt"}]}}
    assert read("gainsight", answer) == ["not updated: is there a company with this key?", None]


class Platform:
    """Answers calls by a function of their records, and keeps them."""

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def __call__(self, request):
        records = next(iter(v for v in json.loads(request.body).values() if isinstance(v, list)))
        self.calls.append(records)
        return self.answer(records)


def ids(records, key):
    return [record.get(key) or record.get("id") for record in records]


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += timedelta(microseconds=1)
        return self.now


@pytest.fixture
def clock():
    return Clock()


def score(store, targets, count, day=NOW - timedelta(hours=1)):
    run = NewRun(as_of=day, model_version="7", policy_digest="p", scored_at=day)
    rows = [Scored(score=Score(account_id=f"a{i:03d}", health_score=float(i % 100), tier="red")) for i in range(count)]
    with store.write() as db:
        return enqueue(db, [scored_event(row.score, run) for row in rows], targets)


def all_rounds(store, targets, clock, platform):
    total = Counts()
    while (done := deliver_due(store, targets, clock=clock, send=platform, environ=ENVIRON)) != Counts():
        total += done
    return total


def by_status(store):
    with store.read() as db:
        lines = listing(db, limit=1000)
    return {
        status: sorted(line.account_id for line in lines if line.status == status) for status in ("dead", "pending")
    }


@pytest.mark.parametrize(("kind", "limit"), [("salesforce", 200), ("hubspot", 100), ("gainsight", 50)])
def test_a_run_goes_out_in_calls_of_the_platform_s_size(store, clock, kind, limit):
    platform, targets = Platform(taking(kind)), {"crm": target(kind)}
    assert score(store, targets, limit + 30) == limit + 30
    assert score(store, targets, limit + 30) == 0
    assert all_rounds(store, targets, clock, platform) == Counts(delivered=limit + 30)
    assert [len(records) for records in platform.calls] == [limit, 30]


@pytest.mark.parametrize(("kind", "limit"), [("salesforce", 10), ("hubspot", 120), ("gainsight", 60)])
def test_a_configured_limit_replaces_the_platform_s_either_way(store, clock, kind, limit):
    platform, targets = Platform(taking(kind)), {"crm": target(kind, limit=limit)}
    score(store, targets, limit + 5)
    all_rounds(store, targets, clock, platform)
    assert [len(records) for records in platform.calls] == [limit, 5]


@pytest.mark.parametrize("limit", [0, -1, 201, "many"])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ServingError, match="limit"):
        target("hubspot", limit=limit)


def taking(kind, refused=(), status=200):
    """Answers of a platform that takes all records of a call but some."""
    key = KEYS[kind]

    def salesforce(records):
        error = {"statusCode": "STRING_TOO_LONG", "message": "too long", "fields": []}
        no, yes = {"success": False, "errors": [error]}, {"success": True, "errors": []}
        return [no if record[key] in refused else yes for record in records]

    def hubspot(records):
        marks = [r["objectWriteTraceId"] for r in records if r["id"] in refused]
        errors = [{"message": "STRING_TOO_LONG: too long", "context": {"objectWriteTraceId": [mark]}} for mark in marks]
        results = [{"objectWriteTraceId": r["objectWriteTraceId"]} for r in records if r["id"] not in refused]
        return {"status": "COMPLETE", "results": results, "numErrors": len(errors), "errors": errors}

    def gainsight(records):
        told = "STRING_TOO_LONG: too long"
        failures = [{"index": i, "errorMessage": told} for i, record in enumerate(records) if record[key] in refused]
        return {"result": True, "data": {"count": len(records) - len(failures), "failures": failures}}

    answer = {"salesforce": salesforce, "hubspot": hubspot, "gainsight": gainsight}[kind]
    return lambda records: Answer(status, json.dumps(answer(records)))


@pytest.mark.parametrize(
    ("kind", "status"), [("salesforce", 200), ("hubspot", 200), ("hubspot", 207), ("gainsight", 200)]
)
def test_a_good_status_does_not_deliver_what_it_refuses_and_a_replay_sends_only_that(store, clock, kind, status):
    platform, targets = Platform(taking(kind, ["a003", "a007"], status)), {"crm": target(kind)}
    score(store, targets, 10)
    assert all_rounds(store, targets, clock, platform) == Counts(delivered=8, dead=2)
    assert by_status(store) == {"dead": ["a003", "a007"], "pending": []}
    with store.read() as db:
        told = {line.last_response for line in listing(db, status="dead")}
    assert told == {f"{status} STRING_TOO_LONG: too long"}
    with store.write() as db:
        assert replay(db, at=clock()) == 2
    again = Platform(taking(kind))
    assert all_rounds(store, targets, clock, again) == Counts(delivered=2)
    assert [len(records) for records in again.calls] == [2]


def test_an_account_for_which_a_whole_call_is_refused_is_found_by_halving(store, clock):
    """As Gainsight does: one bad record and nothing of the call is kept."""

    def answer(records):
        if "a037" in ids(records, "Account_ID__gc"):
            return Answer(400, json.dumps({"result": False, "errorCode": "GSOBJ_1007", "errorDesc": "Invalid value"}))
        return Answer(200, json.dumps({"result": True, "data": {"count": len(records)}}))

    platform, targets = Platform(answer), {"crm": target("gainsight")}
    score(store, targets, 50)
    assert all_rounds(store, targets, clock, platform) == Counts(delivered=49, dead=1)
    assert by_status(store) == {"dead": ["a037"], "pending": []}
    assert len(platform.calls) <= 13


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(503, "busy"), id="503"),
        pytest.param(Answer(None, "no answer: ConnectError"), id="down"),
        pytest.param(Answer(200, "<html>login</html>"), id="200 with a page"),
        pytest.param(Answer(200, '[{"success": tr'), id="200 cut off"),
        pytest.param(Answer(200, "[]"), id="200 for fewer records"),
        pytest.param(Answer(200, '"ok"'), id="200 with text"),
    ],
)
def test_a_call_of_which_nothing_is_known_is_made_again_whole(store, clock, answer):
    platform, targets = Platform(lambda records: answer), {"crm": target("salesforce")}
    score(store, targets, 5)
    assert all_rounds(store, targets, clock, platform) == Counts(retried=5)
    clock.now += timedelta(seconds=20)
    assert all_rounds(store, targets, clock, Platform(taking("salesforce"))) == Counts(delivered=5)


def test_a_token_that_ran_out_stops_the_target_before_a_large_run_is_given_up(store, clock):
    platform, targets = Platform(lambda records: Answer(401, "expired")), {"crm": target("salesforce", limit=10)}
    score(store, targets, 100)
    for _ in range(20):
        deliver_due(store, targets, clock=clock, send=platform, environ=ENVIRON)
    assert len(platform.calls) == 5
    assert len(by_status(store)["dead"]) == 50
    clock.now += timedelta(minutes=11)
    deliver_due(store, targets, clock=clock, send=platform, environ=ENVIRON)
    assert len(platform.calls[-1]) == 1
    world = Outside(clock, Platform(taking("salesforce")), ENVIRON)
    assert ping(store, targets["crm"], world).status == "delivered"
    assert all_rounds(store, targets, clock, world.send) == Counts(delivered=48)


def test_a_platform_is_not_pinged_with_an_invented_account(store, clock):
    with pytest.raises(ServingError, match="nothing waits"):
        ping(store, target("hubspot"), Outside(clock, Platform(None), ENVIRON))


def test_two_days_of_an_account_never_share_a_call(store, clock):
    platform, targets = Platform(taking("salesforce")), {"crm": target("salesforce")}
    score(store, targets, 3, day=NOW - timedelta(days=2))
    score(store, targets, 3, day=NOW - timedelta(days=1))
    assert all_rounds(store, targets, clock, platform) == Counts(delivered=6)
    assert [len(records) for records in platform.calls] == [3, 3]
    assert platform.calls[0][0]["Keepwell_As_Of__c"] < platform.calls[1][0]["Keepwell_As_Of__c"]
