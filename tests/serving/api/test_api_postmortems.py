"""Post-mortems over HTTP: what the newest report says of a loss, and the cause that a person found."""

from dataclasses import replace
from datetime import datetime

import pytest

from retention.blocks import Block, Chapter, Column, Report
from serving import measuring
from serving.store import audit, checks, history

AS_OF, NOW = datetime(2026, 3, 1), datetime(2026, 3, 1, 4)
COLUMNS = tuple(Column(name, name) for name in ("account_id", "at", "value", "cause", "summary", "missed", "found"))
LOSSES = (
    ("left", datetime(2026, 2, 10), 1200.0, "Value", "nothing was seen; nothing tried", 2, None),
    ("acme-05", datetime(2026, 1, 5), None, None, "nothing was seen; nothing tried", 0, None),
    ("left", datetime(2025, 6, 1), 900.0, None, "the loss before that", 0, None),
)
VALUE = {"cause": "value.needs_changed", "note": "They do it in house now."}


@pytest.fixture
def lost(served):
    """A report that tells of two who left: one is a customer again, one is scored no more. Another only stayed."""
    block = Block(id="postmortems", title="", systems=(), says="", columns=COLUMNS, rows=LOSSES, account="account_id")
    stayed = replace(block, id="positions", rows=(("acme-06", *[None] * 6),))
    chapter = Chapter(id="reasons", title="Why", blocks=(block, stayed))
    with served.context.store.write() as db:
        measuring.keep(db, Report(as_of=AS_OF, company="Acme", chapters=(chapter,)), at=NOW)
    return served


def path(account="left"):
    return f"/v1/accounts/{account}/postmortems"


@pytest.mark.system("K1")
def test_a_cause_is_kept_with_its_line_in_the_audit_log_and_measurements_read_it(lost):
    answer = lost.ask("POST", path(), key="decide", json=VALUE)
    assert answer.status_code == 201
    told = lost.ask("GET", path(), key="read").json()
    (found,) = told["found"]
    assert (found["cause"], found["title"]) == ("value.needs_changed", "Value: Needs changed")
    assert found["note"] == "They do it in house now."
    assert found["at"] == "2026-03-01T00:00:00Z", "of the report that showed the loss"
    with lost.context.store.read() as db:
        entry = audit.recent(db, limit=1)[0]
        read = history.tables(db, until=AS_OF)["check_history"].to_pylist()
    key_id = lost.tokens["decide"].split("_")[1]
    assert (entry.action, entry.subject, entry.key_id) == ("tick", "left", key_id)
    assert entry.request_id == answer.json()["request_id"]
    assert [(one["account_id"], one["item"], one["at"]) for one in read] == [
        ("left", "cause.value.needs_changed", AS_OF)
    ]


def test_it_tells_the_last_loss_as_the_report_has_it_and_the_causes_to_choose_from(lost):
    told = lost.ask("GET", path()).json()
    assert (told["as_of"], told["lost_at"]) == ("2026-03-01T00:00:00Z", "2026-02-10T00:00:00Z")
    assert (told["yearly_value"], told["cause"], told["unanswered"]) == (1200.0, "Value", 2)
    assert told["summary"] == "nothing was seen; nothing tried"
    assert told["causes"]["value"] == "Value"
    assert told["causes"]["value.needs_changed"] == "Value: Needs changed"
    again = lost.ask("GET", path("acme-05")).json()
    assert (again["yearly_value"], again["cause"]) == (None, None)


def test_the_last_word_comes_first_and_other_ticks_are_no_causes(lost):
    with lost.context.store.write() as db:
        tick = checks.Check(account_id="left", item="onboarding.setup", at=AS_OF, by="ann")
        checks.tick(db, tick, now=NOW)
        checks.tick(db, checks.Check(account_id="left", item="cause.given_up", at=AS_OF, by="ann"), now=NOW)
    for cause in ("value", "economic"):
        lost.ask("POST", path(), json={"cause": cause})
    found = lost.ask("GET", path()).json()["found"]
    assert [(one["cause"], one["title"] is None) for one in found] == [
        ("economic", False),
        ("value", False),
        ("given_up", True),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"cause": "weather"}, 409, id="no cause of retention.toml"),
        pytest.param({}, 422, id="no cause"),
        pytest.param({"cause": "value", "note": ""}, 422, id="a note that says nothing"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(lost, body, status):
    assert lost.ask("POST", path(), json=body).status_code == status
    assert lost.ask("GET", path()).json()["found"] == []


@pytest.mark.parametrize("account", ["acme-06", "nobody"])
def test_who_was_not_lost_has_no_post_mortem(lost, account):
    assert lost.ask("GET", path(account)).status_code == 404
    assert lost.ask("POST", path(account), json=VALUE).status_code == 404


def test_who_may_not_decide_names_no_cause(lost):
    assert lost.ask("POST", path(), key="score", json=VALUE).status_code == 403
