"""Plays on an account's page: recorded by those who may decide, and shown to everybody."""

import re

import pytest

from serving.store import decisions


def send(reviewer, account, **fields):
    token = re.search(r'name="csrf" value="([^"]+)"', reviewer.get("/").text)[1]
    return reviewer.post("/plays", data={"csrf": token, "account_id": account} | fields)


def recorded(store, account):
    with store.read() as db:
        found = decisions.list_interventions(db, account_id=account)
    return [(one.play, one.arm, one.owner, one.cost, one.outcome) for one in found]


def test_a_play_is_recorded_and_shown(reviewer, store):
    answer = send(reviewer, "A0040", done_play="rescue", cost="120.5", outcome="they listened")
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/A0040?done=rescue#done")
    page = reviewer.get(answer.headers["location"]).text
    assert "Immediate intervention" in page
    assert "they listened" in page
    assert "The play is recorded" in page
    assert recorded(store, "A0040") == [("rescue", "treated", "csm", 120.5, "they listened")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"done_play": ""}, "play", id="no play"),
        pytest.param({"done_play": "rescue", "cost": "much"}, "cost", id="a cost that is no number"),
        pytest.param({"done_play": "rescue", "cost": "-5"}, "cost", id="a negative cost"),
        pytest.param({"done_play": "dance"}, "no play dance", id="no play of the policy"),
    ],
)
def test_what_cannot_be_is_refused_with_the_form_as_it_was_filled_in(reviewer, store, fields, said):
    answer = send(reviewer, "A0041", outcome="typed before", **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="typed before"' in answer.text
    assert recorded(store, "A0041") == []


def test_a_key_that_may_not_decide_sees_plays_and_no_form(client, tokens, reviewer):
    send(reviewer, "A0042", done_play="rescue")
    client.post("/logout")
    client.cookies.clear()
    assert client.post("/login", data={"key": tokens["read"]}).status_code == 303
    page = client.get("/accounts/A0042").text
    assert "Immediate intervention" in page
    assert 'action="/plays"' not in page
