"""POST /v1/predict: three ways to ask, each row with its own status, numbers that add up and agree everywhere."""

import json
import math
import re
from datetime import datetime

import numpy as np
import pytest

from serving.api import ModelHolder
from serving.score import score
from serving.store import accounts, audit

GOOD = {"active_days_28d": 20, "days_since_last_use": 1, "nps_last": 9, "tickets_open": 0, "plan": "pro"}
BAD = {"active_days_28d": 0, "days_since_last_use": 60, "nps_last": 0, "tickets_open": 6, "plan": "pro", "mrr": 100}


def results(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def predict(served, **ask):
    return results(served.ask("POST", "/v1/predict", json=ask))


def test_rows_are_answered_in_their_order_with_a_status_each(served):
    rows = [
        {"external_id": "bad", "features": BAD},
        {"external_id": "unknown name", "features": {"logins": 3}},
        {"external_id": "word", "features": {"nps_last": "nine"}},
        {"external_id": "no such plan", "features": {"plan": "gold"}},
        {"external_id": "nothing", "features": {"nps_last": None}},
        {"external_id": "good", "features": GOOD},
    ]
    told = predict(served, rows=rows)
    assert [(r["external_id"], r["status"]) for r in told] == [
        ("bad", "ok"),
        ("unknown name", "invalid"),
        ("word", "invalid"),
        ("no such plan", "invalid"),
        ("nothing", "insufficient_data"),
        ("good", "ok"),
    ]
    assert told[0]["churn_probability"] > told[-1]["churn_probability"]
    assert told[0]["health_score"] < told[-1]["health_score"]
    for row in told[1:5]:
        assert row["error"]
        assert row["churn_probability"] is row["health_score"] is row["tier"] is None


@pytest.mark.system("C2", "C3", "H1", "H14")
def test_a_row_has_the_numbers_that_the_score_module_gives(served, bundle):
    names = [spec.name for spec in bundle.features]
    values = {**BAD, "plan": 1.0}
    wanted = score(bundle, np.array([[values.get(name, math.nan) for name in names]], dtype=float))
    (row,) = predict(served, rows=[{"external_id": "x", "features": BAD}])
    assert row["churn_probability"] == wanted.probability[0]
    assert row["churn_probability_interval"] == wanted.interval[:, 0].tolist()
    assert row["health_score"] == wanted.health[0]
    assert row["at_risk_value"] == pytest.approx(1200 * row["churn_probability"])
    points = [part["points"] for part in row["components"] if part["in_health"]]
    assert sum(points) == pytest.approx(row["health_score"], abs=1e-9)


def test_a_row_tells_why_and_what_to_do_but_nothing_of_peers(served):
    (row,) = predict(served, rows=[{"external_id": "x", "features": BAD}], max_top_factors=2)
    assert len(row["top_factors"]) == 2
    assert row["top_factors"][0]["direction"] == "raises_risk"
    assert row["top_driver_1"] == row["top_factors"][0]["label"]
    assert row["reason"].startswith(f"{row['tier_label']}: {row['top_driver_1']}")
    assert row["risk_level"] in ("high", "medium", "low")
    assert row["recommended_actions"][0]["due_at"].endswith("Z")
    assert "peers" not in json.dumps(row)
    assert all(factor["peer_percentile"] is None for factor in row["top_factors"])


def test_without_explanation_the_numbers_are_the_same_and_nothing_else_is_told(served):
    (full,) = predict(served, rows=[{"external_id": "x", "features": BAD}])
    (bare,) = predict(served, rows=[{"external_id": "x", "features": BAD}], explain=False)
    assert bare["churn_probability"] == full["churn_probability"]
    assert bare["tier"] == full["tier"]
    assert bare["top_factors"] == bare["components"] == bare["recommended_actions"] == []


def test_by_id_gives_the_stored_numbers_bit_for_bit(served, store):
    ids = ["acme-03", "nobody", "acme-01", "acme-03"]
    told = predict(served, account_ids=ids)
    assert [r["external_id"] for r in told] == ids
    assert [r["status"] for r in told] == ["ok", "not_found", "ok", "ok"]
    with store.read() as db:
        kept = accounts.many(db, ids)
    for row in (told[0], told[2], told[3]):
        one = kept[row["external_id"]].score
        assert row["source"] == "stored"
        assert (row["churn_probability"], row["health_score"]) == (one.churn_probability, one.health_score)
        assert (row["tier"], row["previous_score"]) == (one.tier, one.previous_health)
        assert row["at_risk_value"] == one.value_at_risk
    line = next(
        a for a in served.ask("GET", "/v1/accounts?limit=200").json()["accounts"] if a["external_id"] == "acme-03"
    )
    assert {name: told[0][name] for name in line} == line
    assert served.ask("GET", "/v1/accounts/acme-03").json()["account"] == {
        **told[0],
        "top_factors": served.ask("GET", "/v1/accounts/acme-03").json()["account"]["top_factors"],
    }


def test_what_if_changes_what_it_says_and_nothing_else(served):
    ask = [
        {"external_id": "acme-05"},
        {"external_id": "acme-05", "overrides": {"days_since_last_use": 90, "tickets_open": 8}},
        {"external_id": "acme-05", "overrides": {"no such": 1}},
    ]
    stored, changed, wrong = predict(served, accounts=ask)
    assert (stored["source"], stored["what_if"]) == ("stored", None)
    assert (changed["source"], wrong["status"]) == ("what_if", "invalid")
    what_if = changed["what_if"]
    assert {one["feature"]: one["after"] for one in what_if["changed"]} == {
        "days_since_last_use": 90,
        "tickets_open": 8,
    }
    assert what_if["churn_probability_before"] == pytest.approx(stored["churn_probability"], abs=1e-12)
    assert what_if["health_score_before"] == pytest.approx(stored["health_score"], abs=1e-9)
    assert changed["churn_probability"] - what_if["churn_probability_before"] == what_if["churn_probability_change"]
    assert what_if["churn_probability_change"] > 0
    assert (changed["owner"], changed["segment"]) == (stored["owner"], stored["segment"])


def test_a_what_if_that_changes_nothing_is_the_stored_answer_again(served):
    ids = [f"acme-{i:02}" for i in range(60)]
    with served.context.store.read() as db:
        kept = accounts.many(db, ids)
    asks = [{"external_id": id_, "overrides": {"mrr": kept[id_].features[6]}} for id_ in ids]
    for same, stored in zip(predict(served, accounts=asks), predict(served, account_ids=ids), strict=True):
        assert (same["source"], same["what_if"]["changed"]) == ("what_if", [])
        apart = dict(differences("", without_peers(same), without_peers(stored)))
        assert apart.keys() <= {f".{name}" for name in OF_ITS_RUN}, apart


OF_ITS_RUN = ("source", "what_if", "scored_at", "base_rate", "last_changed", "change_explained")
"""What a stored result says of its run, and a what-if otherwise or not at all."""


def differences(where, one, other):
    """Where two answers differ by more than rounding, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(f"{where}.{name}", one[name], other[name])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(f"{where}[{i}]", a, b)
    elif isinstance(one, float) and isinstance(other, float):
        if abs(one - other) > 1e-9:
            yield where, (one, other)
    elif one != other:
        yield where, (one, other)


def without_peers(result):
    """A result without what is said of peers, whom only the whole book knows."""
    blank = {"peer_percentile": None}
    text = re.sub(r"; (lower than|higher than|about as) [^.\"]*", "", json.dumps(result, ensure_ascii=False))
    plain = json.loads(text)
    return {**plain, "top_factors": [{**factor, **blank} for factor in plain["top_factors"]]}


def test_a_what_if_without_explanation_takes_no_reason_over_from_the_stored_score(served):
    ask = {"external_id": "acme-05", "overrides": {"nps_last": 10}}
    (told,) = predict(served, accounts=[ask], explain=False)
    assert told["health_score"] is not None
    for name in ("driver", "risk_level", "top_driver_1", "reason"):
        assert told[name] is None, name


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        pytest.param({}, 422, id="nothing asked"),
        pytest.param(
            {"rows": [{"external_id": "x", "features": {}}], "account_ids": ["y"]}, 422, id="two ways at once"
        ),
        pytest.param({"rows": []}, 422, id="no rows"),
        pytest.param({"rows": None, "account_ids": ["x"]}, 422, id="null for rows"),
        pytest.param({"account_ids": ["x"] * 201}, 422, id="201 rows"),
        pytest.param({"account_ids": [7]}, 422, id="an id that is a number"),
        pytest.param({"account_ids": [""]}, 422, id="an empty id"),
        pytest.param({"account_ids": ["a\x00b"]}, 422, id="an id with a NUL"),
        pytest.param({"account_ids": ["x"], "threshold": 1}, 422, id="an unknown member"),
        pytest.param({"account_ids": ["x"], "max_top_factors": "3"}, 422, id="a number as text"),
        pytest.param({"account_ids": ["x"], "explain": "no"}, 422, id="a boolean as text"),
        pytest.param({"rows": [{"external_id": "x", "features": {"mrr": True}}]}, 422, id="true as a number"),
        pytest.param({"rows": [{"external_id": "x", "features": {"mrr": [1]}}]}, 422, id="a list as a number"),
        pytest.param(["x"], 422, id="no object"),
    ],
)
def test_what_cannot_be_asked_is_refused(served, ask, status):
    assert served.ask("POST", "/v1/predict", json=ask).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"rows": [', id="cut off"),
        pytest.param(b'{"rows":[{"external_id":"x","features":{"mrr":NaN}}]}', id="NaN"),
        pytest.param(b'{"rows":[{"external_id":"x","features":{"mrr":-Infinity}}]}', id="Infinity"),
        pytest.param(b'{"rows":[{"external_id":"x","features":{"mrr":1,"mrr":2}}]}', id="a name twice"),
        pytest.param(b'{"rows":' + b"[" * 100_000, id="100,000 deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="50,000 deep and closed"),
        pytest.param(b'\xff\xfe{"rows": []}', id="not UTF-8"),
        pytest.param(b'{"rows":[{"external_id":"x","features":{"mrr":' + b"9" * 5000 + b"}}]}", id="5,000 digits"),
    ],
)
def test_what_is_not_json_is_refused(served, body):
    answer = served.ask("POST", "/v1/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "number", ["1e999", "9" * 400, "-" + "9" * 400], ids=["1e999", "400 digits", "minus 400 digits"]
)
def test_a_number_that_no_double_holds_is_refused(served, number):
    body = f'{{"rows":[{{"external_id":"x","features":{{"mrr":{number}}}}}]}}'
    answer = served.ask("POST", "/v1/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_half_a_character_is_refused(served):
    body = b'{"account_ids":["\\ud800"]}'
    answer = served.ask("POST", "/v1/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/xml", "application/json; charset=latin-1"])
def test_another_media_type_is_refused(served, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    assert served.ask("POST", "/v1/predict", content=b"{}", headers=headers).status_code == 415


def test_stored_scores_need_no_model_but_features_do(serving, keep):
    keep()
    served = serving(live=None)
    told = served.ask("POST", "/v1/predict", json={"account_ids": ["acme-01"]}).json()
    assert (told["results"][0]["status"], told["model"]["version"]) == ("ok", "7")
    answer = served.ask("POST", "/v1/predict", json={"rows": [{"external_id": "x", "features": GOOD}]})
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:keepwell:problem:no-model"


def test_an_empty_store_knows_nobody(serving):
    served = serving()
    assert predict(served, account_ids=["acme-01"])[0]["status"] == "not_found"
    assert served.ask("GET", "/v1/accounts").json()["accounts"] == []


def test_a_cold_start_gives_health_and_no_probability(serving, cold, policy):
    holder = ModelHolder(policy.bands)
    holder.put(cold, None, at=datetime(2026, 1, 1))
    (row,) = predict(serving(live=holder), rows=[{"external_id": "x", "features": GOOD}])
    assert row["status"] == "ok"
    assert row["health_score"] > 70
    assert row["churn_probability"] is row["churn_probability_interval"] is None
    assert row["top_factors"] == []
    assert "typical weights" in row["fallback"]


def test_predictions_are_counted_in_the_audit_log_without_ids_or_values(served, store):
    ask = {
        "rows": [{"external_id": "secret-name", "features": {"mrr": 123456.5}}, {"external_id": "z", "features": {}}]
    }
    answer = served.ask("POST", "/v1/predict", json=ask, headers={"X-Request-ID": "req-1"})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "req-1"
    served.context.trail.flush()
    with store.read() as db:
        entry = audit.recent(db)[0]
    assert (entry.action, entry.request_id, entry.subject) == ("predict", "req-1", None)
    assert entry.detail == {"rows": {"ok": 1, "insufficient_data": 1}, "models": ["7"]}
