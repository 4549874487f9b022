"""What leaves: the envelope, the Slack message and the CSV file."""

import csv
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.delivery.csv_file import COLUMNS, append, erase, file_of, safe
from serving.delivery.events import envelope, scored_event
from serving.delivery.slack import slack_body
from serving.store.outbox import Delivery
from serving.store.runs import NewRun
from serving.store.scores import Score

DAY = datetime(2026, 3, 2)
ALERT = {
    "text": "Health 38 is At-risk, was Healthy",
    "severity": "high",
    "play": "save",
    "owner": "CS",
    "due_at": "2026-03-03T00:00:00",
}
ACME = Score(
    account_id="acme-001",
    name="Acme",
    health_score=38.2,
    tier="red",
    churn_probability=0.37,
    previous_health=71.0,
    previous_tier="green",
    value_at_risk=18400.0,
    log_odds=-0.5,
    top_driver_1="Logins fell",
)


def delivery(kind="tier_down", **body):
    held = {"alert": ALERT, "object": asdict(ACME), "previous_attributes": {"tier": "green"}} | body
    return Delivery(
        id=1,
        event_id="e1",
        target="t",
        status="pending",
        attempts=0,
        next_attempt_at=DAY,
        kind=kind,
        account_id="acme-001",
        body=held,
        created_at=DAY,
    )


def test_an_event_leaves_in_an_envelope_under_the_names_of_outside():
    event = envelope(delivery())
    assert (event["id"], event["type"], event["occurred_at"]) == ("e1", "account.tier_changed", "2026-03-02T00:00:00Z")
    account = event["data"]["object"]
    assert account["external_id"] == "acme-001"
    assert (account["previous_score"], account["at_risk_value"]) == (71.0, 18400.0)
    assert account["risk_level"] is None
    assert not {"account_id", "value_at_risk", "log_odds"} & account.keys()
    assert event["data"]["alert"] == ALERT
    assert event["previous_attributes"] == {"tier": "green"}


def test_news_about_the_whole_book_has_no_account():
    assert "object" not in envelope(delivery("stale", object=None))["data"]


def test_a_scored_account_tells_when_and_by_what():
    run = NewRun(as_of=DAY, model_version="7", policy_digest="p", scored_at=DAY)
    event = scored_event(ACME, run)
    assert event.body["object"]["model_version"] == "7"
    assert event.dedupe_key == scored_event(ACME, run).dedupe_key


def test_a_slack_message_says_who_what_and_who_acts():
    body = slack_body(envelope(delivery()))
    assert body["text"] == "Acme: Health 38 is At-risk, was Healthy"
    shown = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    assert shown == [
        ":red_circle: *Acme: Health 38 is At-risk, was Healthy*",
        "CS: save, due 2026-03-03T00:00:00",
    ]
    assert "Value at risk: 18400.0" in body["blocks"][-1]["elements"][0]["text"]


def test_an_account_named_like_markup_calls_nobody():
    account = asdict(ACME) | {"name": "<!channel> & <https://evil|Acme>"}
    body = slack_body(envelope(delivery(object=account)))
    assert "<" not in body["text"]
    assert "&lt;!channel&gt; &amp;" in body["text"]
    assert "<!channel>" not in str(body["blocks"])


def test_a_message_stays_within_slack_s_limits():
    body = slack_body(envelope(delivery(alert=ALERT | {"text": "x" * 9000})))
    assert all(len(block["text"]["text"]) <= 3000 for block in body["blocks"] if block["type"] == "section")


def events(*ids, **account):
    return [envelope(delivery(object=asdict(ACME) | account)) | {"id": one} for one in ids]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_s_events_are_appended_once(tmp_path):
    path = file_of(tmp_path / "out", "daily", DAY)
    assert path.name == "daily-20260302T000000.csv"
    assert append(path, events("a", "b")) == 2
    assert append(path, events("b", "c", "c")) == 1
    assert [row["id"] for row in rows(path)] == ["a", "b", "c"]
    first = rows(path)[0]
    assert tuple(first) == COLUMNS
    assert (first["external_id"], first["health_score"], first["risk_level"]) == ("acme-001", "38.2", "")
    assert (first["owner_role"], first["owner"]) == ("CS", "")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = file_of(tmp_path, "daily", DAY)
    append(path, events("a"))
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        append(path, events("b", name="half a pair \ud800"))
    assert path.read_bytes() == before
    assert [other.name for other in tmp_path.iterdir() if "partial" in other.name] == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://evil")'])
def test_no_cell_begins_a_formula(tmp_path, text):
    path = tmp_path / "f.csv"
    append(path, events("a", name=text))
    assert rows(path)[0]["name"] == f"'{text}"


@pytest.mark.parametrize("account", ["acme", "=acme", 'a "b", c', "a\r\nb", "a\nb", "a\rb"])
def test_an_account_is_erased_from_all_files_of_its_target_and_no_other_row_changes(tmp_path, account):
    others = [event("1", "acme-2", text='He said "no",\r\nthen left'), event("2", "", text="=1+1")]
    paths = [file_of(tmp_path, "daily", DAY + timedelta(days=n)) for n in range(3)]
    append(paths[0], others)
    wanted = paths[0].read_bytes()
    append(paths[0], [event("3", account), event("4", account)])
    append(paths[1], [event("5", account)])
    append(paths[2], others)
    not_ours = [tmp_path / "daily-notes.csv", tmp_path / "daily-x-20260302T000000.csv", tmp_path / "other.txt"]
    for path in not_ours:
        path.write_bytes(account.encode())
    assert erase(tmp_path, "daily", account) == 3
    assert [path.read_bytes() for path in paths] == [wanted, wanted[: wanted.index(b"\r\n") + 2], wanted]
    assert [path.read_bytes() for path in not_ours] == [account.encode()] * 3
    assert erase(tmp_path, "daily", account) == 0
    assert erase(tmp_path / "nowhere", "daily", account) == 0


def event(number, account, text=None):
    about = replace(ACME, account_id=account, top_driver_1=text, yearly_value=-5.0)
    return envelope(delivery(object=asdict(about))) | {"id": number}


def test_a_negative_number_stays_a_number():
    assert safe(-1.5) == -1.5


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_text_survives_but_for_an_apostrophe_before_a_formula(text):
    assert safe(text) in (text, f"'{text}")
    assert str(safe(text))[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n") or text == ""
