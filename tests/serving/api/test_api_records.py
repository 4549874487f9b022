"""Decision records over HTTP: listed, read whole, reviewed by who may decide."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from retention.metrics import METRICS
from retention.records import document
from serving import recording
from serving.recording import Actor
from serving.store import audit, kept_records, reports

EXAMPLE = Path(__file__).parents[3] / "examples" / "saas" / "decision.toml"
FOUND = {"kind": "initial", "outcome": "confirmed", "note": "inputs are right"}


@pytest.fixture
def recorded(serving):
    """An application whose store holds a report and the example's decision."""
    served = serving()
    now = served.context.clock()
    values = {"grr": 0.8, "logo_churn": 0.2, "nps": 9.0, "expansion_revenue": 5e3}
    figures = {name: {"value": v, "n": 400, "low": 0.9 * v, "high": 1.1 * v} for name, v in values.items()}
    digests = {name: metric.digest for name, metric in METRICS.items()}
    body = {"as_of": (now - timedelta(days=2)).isoformat(), "figures": figures, "definitions": digests, "chapters": []}
    with served.context.store.write() as db:
        reports.keep(db, reports.RETENTION, body, as_of=now - timedelta(days=2), at=now)
        given = document.read(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")), "the example")
        recording.create(db, given, Actor(by="Ann", at=now))
    return served


def test_records_are_listed_and_read_whole(recorded):
    (line,) = recorded.ask("GET", "/v1/records", key="read").json()["records"]
    assert (line["id"], line["state"], line["selected"]) == ("success-calls", "open", "B")
    assert recorded.ask("GET", "/v1/records?state=closed", key="read").json()["records"] == []
    told = recorded.ask("GET", "/v1/records/success-calls", key="read").json()
    assert told["decided"]["recommended"] == "B"
    assert told["locked"]["baseline"]["nps"]["value"] == 9.0
    assert [one["event"] for one in told["history"]] == ["created"]
    assert any("assumed" in one["text"] for one in told["findings"])
    assert recorded.ask("GET", "/v1/records/none", key="read").status_code == 404


@pytest.mark.system("X2")
def test_a_review_is_a_new_version_with_its_line_in_the_audit_log(recorded):
    path = "/v1/records/success-calls/reviews"
    assert recorded.ask("POST", path, key="score", json=FOUND).status_code == 403
    told = recorded.ask("POST", path, key="decide", json=FOUND)
    assert told.status_code == 201
    assert [one["event"] for one in told.json()["history"]] == ["created", "reviewed"]
    assert told.json()["history"][1]["by"] == "decide"
    with recorded.context.store.read() as db:
        assert audit.recent(db, subject="success-calls")[0].action == "record.reviewed"
        assert len(kept_records.versions(db, "success-calls")) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"outcome": "holds"}, 422, id="an outcome of another kind"),
        pytest.param({"note": "   "}, 422, id="a note that says nothing"),
        pytest.param({"kind": "yearly"}, 422, id="no such review"),
    ],
)
def test_what_is_no_review_is_refused(recorded, changes, status):
    path = "/v1/records/success-calls/reviews"
    assert recorded.ask("POST", path, key="decide", json=FOUND | changes).status_code == status
    assert recorded.ask("POST", "/v1/records/none/reviews", key="decide", json=FOUND).status_code == 404


def test_a_review_that_was_held_or_a_record_that_is_closed_is_a_conflict(recorded):
    path = "/v1/records/success-calls/reviews"
    assert recorded.ask("POST", path, key="decide", json=FOUND).status_code == 201
    answer = recorded.ask("POST", path, key="decide", json=FOUND)
    assert answer.status_code == 409
    assert "every initial review" in answer.json()["detail"]
    stop = {"kind": "post", "outcome": "stop", "note": "it did not pay"}
    assert recorded.ask("POST", path, key="decide", json=stop).json()["state"] == "closed"
    late = {"kind": "operating", "outcome": "holds", "note": "late"}
    assert recorded.ask("POST", path, key="decide", json=late).status_code == 409
