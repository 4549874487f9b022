"""Post-mortems on an account's page: the cause is named by those who may decide, of who left and of who came back."""

import re

import pytest

from serving.store import audit, checks

GONE = "gone/one"


def send(reviewer, account, **fields):
    token = re.search(r'name="csrf" value="([^"]+)"', reviewer.get("/").text)[1]
    return reviewer.post("/postmortems", data={"csrf": token, "account_id": account} | fields)


@pytest.fixture
def recorded(store):
    """How many causes are kept of an account, and the last of them."""

    def look(account):
        with store.read() as db:
            kept = checks.history(db, account)
        return len(kept), kept and (kept[0].item, kept[0].note)

    return look


@pytest.mark.system("K1")
@pytest.mark.parametrize(("account", "quoted"), [(GONE, "gone%2Fone"), ("A0003", "A0003")])
def test_a_cause_is_recorded_and_shown(reviewer, store, recorded, account, quoted):
    before, _ = recorded(account)
    answer = send(reviewer, account, found_cause="value.needs_changed", learned=" They do it in house now. ")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/accounts/{quoted}?found=value.needs_changed#postmortem",
    )
    assert recorded(account) == (before + 1, ("cause.value.needs_changed", "They do it in house now."))
    page = reviewer.get(answer.headers["location"]).text
    assert "The cause is recorded" in page
    assert "They do it in house now." in page
    assert page.index('data-cause="value.needs_changed"') < page.index("last word")
    with store.read() as db:
        entry = audit.recent(db, limit=1)[0]
    assert (entry.action, entry.subject, entry.key_id is None) == ("tick", account, False)


def test_without_a_word_on_what_is_learned_there_is_no_note(reviewer, recorded):
    send(reviewer, GONE, found_cause="economic", learned="  ")
    assert recorded(GONE)[1] == ("cause.economic", None)


@pytest.mark.parametrize("account", [GONE, "A0003"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"found_cause": ""}, "at least 1 character", id="no cause"),
        pytest.param({"found_cause": "weather"}, "is no cause of retention.toml", id="a cause that is none"),
    ],
)
def test_what_cannot_be_is_refused_with_the_form_as_it_was_filled_in(reviewer, recorded, account, fields, said):
    before = recorded(account)
    answer = send(reviewer, account, learned="typed before", **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert ">typed before</textarea>" in answer.text
    assert recorded(account) == before


def test_who_was_not_lost_has_no_such_form_and_none_is_taken(reviewer, recorded):
    assert 'action="/postmortems"' not in reviewer.get("/accounts/A0050").text
    assert send(reviewer, "A0050", found_cause="value").status_code == 404
    assert recorded("A0050") == (0, [])


def test_who_is_neither_scored_nor_lost_has_no_page(reviewer):
    assert reviewer.get("/accounts/nobody").status_code == 404
    assert send(reviewer, "nobody", found_cause="").status_code == 404


def test_a_form_that_is_not_ours_is_not_taken(reviewer, recorded):
    before = recorded(GONE)
    answer = reviewer.post("/postmortems", data={"csrf": "x", "account_id": GONE, "found_cause": "value"})
    assert (answer.status_code, recorded(GONE)) == (403, before)


def test_a_key_that_may_not_decide_sees_causes_and_no_form(client, tokens, reviewer, recorded):
    send(reviewer, GONE, found_cause="value.no_return", learned="seen by all")
    before = recorded(GONE)
    client.post("/logout")
    client.cookies.clear()
    assert client.post("/login", data={"key": tokens["read"]}).status_code == 303
    page = client.get("/accounts/gone%2Fone").text
    assert "seen by all" in page
    assert 'action="/postmortems"' not in page
    token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    sent = {"csrf": token, "account_id": GONE, "found_cause": "value"}
    assert (client.post("/postmortems", data=sent).status_code, recorded(GONE)) == (403, before)
