"""Plays that were carried out, told over HTTP and from the command line, and read by measurements."""

import json

import pytest

from serving.store import audit, history

PLAYS = "/v1/accounts/acme-05/plays"


@pytest.mark.system("R8", "R10")
def test_a_play_is_recorded_with_its_line_in_the_audit_log_and_measurements_read_it(served):
    body = {"play": "rescue", "at": "2025-05-01T10:00:00+02:00", "cost": 120.5, "owner": "csm-2", "driver": "budget"}
    answer = served.ask("POST", PLAYS, json=body)
    assert answer.status_code == 201
    (play,) = served.ask("GET", PLAYS).json()["plays"]
    assert (play["play"], play["at"], play["arm"]) == ("rescue", "2025-05-01T08:00:00Z", "treated")
    assert (play["owner"], play["cost"], play["outcome"]) == ("csm-2", 120.5, None)
    with served.context.store.read() as db:
        entry = audit.recent(db, limit=1)[0]
        kept = history.tables(db, until=served.context.clock())["play_history"].to_pylist()
    assert (entry.action, entry.subject) == ("record play", "acme-05")
    assert [(one["account_id"], one["play"], one["cost"]) for one in kept] == [("acme-05", "rescue", 120.5)]


def test_without_an_owner_it_is_the_plays_own(served):
    assert served.ask("POST", PLAYS, json={"play": "support_recovery"}).json()["plays"][0]["owner"] == "support"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"play": "dance"}, 409, id="no play of the policy"),
        pytest.param({"play": "rescue", "at": "2099-01-01T00:00:00Z"}, 409, id="in the future"),
        pytest.param({"play": "rescue", "at": "2025-01-01T00:00:00"}, 422, id="a moment without a zone"),
        pytest.param({"play": "rescue", "cost": -1}, 422, id="a negative cost"),
        pytest.param({"play": "rescue", "arm": "holdout"}, 422, id="nobody holds out by hand"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(served, body, status):
    assert served.ask("POST", PLAYS, json=body).status_code == status
    assert served.ask("GET", PLAYS).json()["plays"] == []


def test_an_account_that_was_never_scored_has_no_plays(served):
    assert served.ask("POST", "/v1/accounts/nobody/plays", json={"play": "rescue"}).status_code == 404


def test_the_command_line_records_and_lists(tmp_path, cli):
    usage = "account_id,at\nA,2025-01-01\n"
    (tmp_path / "usage.csv").write_text(usage, encoding="utf-8")
    config = tmp_path / "keepwell.toml"
    config.write_text('[churn]\nkind = "inactivity"\n[sources.usage]\npath = "usage.csv"\n', encoding="utf-8")
    told = ("--config", str(config), "--json")
    kept = json.loads(cli("plays", "record", "A", "rescue", "--at", "2025-02-01", "--cost", "90", *told).out)
    assert (kept["owner"], kept["arm"], kept["cost"]) == ("csm", "treated", 90.0)
    assert [one["play"] for one in json.loads(cli("plays", "list", *told).out)] == ["rescue"]
    assert "no play dance" in cli("plays", "record", "A", "dance", "--config", str(config)).err
