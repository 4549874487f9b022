"""Facts on an account's page: shown to everybody, told by those who may decide, and kept as they were typed."""

import re

import pytest

from serving.store import facts


@pytest.fixture
def told(store):
    """All that was ever told of an account."""

    def history(account):
        with store.read() as db:
            return [(fact.name, fact.value, fact.moment, fact.note) for fact in facts.history(db, account)]

    return history


def send(reviewer, account, **fields):
    token = re.search(r'name="csrf" value="([^"]+)"', reviewer.get("/").text)[1]
    form = {"csrf": token, "account_id": account} | {f"fact.{name}": text for name, text in fields.items()}
    return reviewer.post("/facts", data=form | {"note": "they said so"})


def field(page, name):
    """The value in the form's field."""
    return re.search(rf'name="fact\.{name}" value="([^"]*)"', page)[1]


def test_only_what_was_changed_is_told(reviewer, told):
    empty = dict.fromkeys(("strategic", "goal_attainment", "org_change_days_ago", "competitor_days_ago"), "")
    answer = send(reviewer, "A0030", **empty | {"strategic": "1", "org_change_days_ago": "2026-02-01"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/A0030?told=2#facts")
    page = reviewer.get(answer.headers["location"]).text
    assert (field(page, "strategic"), field(page, "org_change_days_ago"), field(page, "goal_attainment")) == (
        "1",
        "2026-02-01",
        "",
    )
    assert "the next run reads it" in page
    assert page.count("not in this score yet") == 2
    assert {name for name, *_ in told("A0030")} == {"strategic", "org_change_days_ago"}
    again = send(reviewer, "A0030", **empty | {"strategic": "0", "org_change_days_ago": "2026-02-01"})
    assert again.headers["location"] == "/accounts/A0030?told=1#facts"
    assert told("A0030")[0] == ("strategic", 0.0, None, "they said so")


def test_an_emptied_field_takes_the_fact_back(reviewer, told):
    send(reviewer, "A0031", goal_attainment="0.25")
    send(reviewer, "A0031", goal_attainment="")
    assert [value for _, value, _, _ in told("A0031")] == [None, 0.25]
    assert field(reviewer.get("/accounts/A0031").text, "goal_attainment") == ""


def test_what_cannot_be_is_refused_with_the_form_as_it_was_filled_in(reviewer, told):
    answer = send(reviewer, "A0032", strategic="1", goal_attainment="40")
    assert answer.status_code == 422
    assert "at least 0 and at most 1; got 40" in answer.text
    assert (field(answer.text, "strategic"), field(answer.text, "goal_attainment")) == ("1", "40")
    assert told("A0032") == []


def test_telling_needs_the_token_and_the_role(client, tokens, told):
    client.post("/login", data={"key": tokens["decide"]})
    form = {"account_id": "A0033", "fact.strategic": "1"}
    assert client.post("/facts", data=form).status_code == 403, "no token"
    client.post("/login", data={"key": tokens["score"]})
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)[1]
    assert client.post("/facts", data={**form, "csrf": token}).status_code == 403, "a key that may not decide"
    assert told("A0033") == []
    page = client.get("/accounts/A0033").text
    assert "Strategic account" in page
    assert 'action="/facts"' not in page
