"""The pages' door: nobody without a key, nothing changed from another site, nothing brought in, nothing run."""

import csv
import re
from html.parser import HTMLParser
from io import StringIO

import pytest

from serving.store import decisions

PAGES = ("/", "/accounts/A0007", "/model")


class Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def csrf(text):
    return re.search(r'name="csrf" value="([^"]+)"', text)[1]


@pytest.mark.parametrize("path", [*PAGES, "/accounts.csv", "/accounts/none"])
def test_nobody_sees_a_page_without_a_key(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
    assert "Company" not in answer.text


def test_a_wrong_key_stays_outside(client):
    answer = client.post("/login", data={"key": "kw_0_wrong"})
    assert answer.status_code == 401
    assert "not valid" in answer.text
    assert "set-cookie" not in answer.headers


def test_login_goes_back_to_where_one_was_and_nowhere_else(client, tokens):
    asked = client.get("/accounts/A0007?x=1").headers["location"]
    assert asked == "/login?next=%2Faccounts%2FA0007%3Fx%3D1"
    sent = {"key": tokens["read"], "next": "/accounts/A0007?x=1"}
    assert client.post("/login", data=sent).headers["location"] == "/accounts/A0007?x=1"
    assert client.post("/login", data={**sent, "next": "//evil.example"}).headers["location"] == "/"


def test_a_login_form_of_another_site_is_refused(client, tokens):
    headers = {"sec-fetch-site": "cross-site"}
    assert client.post("/login", data={"key": tokens["read"]}, headers=headers).status_code == 403


def test_logout_ends_the_session(reviewer):
    token = csrf(reviewer.get("/").text)
    assert reviewer.post("/logout", data={}).status_code == 403, "without the token"
    assert reviewer.post("/logout", data={"csrf": token}).status_code == 303
    assert reviewer.get("/").status_code == 303


@pytest.mark.parametrize("path", PAGES)
def test_pages_forbid_inline_code_and_foreign_origins(reviewer, path):
    answer = reviewer.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    found = Tags(answer.text).found
    assert not [tag for tag, attributes in found if tag == "style" or (tag == "script" and "src" not in attributes)]
    assert not [a for _, attributes in found for a in attributes if a == "style" or a.startswith("on")]
    targets = [a[name] for _, a in found for name in ("src", "href", "action") if name in a]
    assert [target for target in targets if target[:1] not in ("/", "#") or target[:2] == "//"] == []


def test_names_are_text(reviewer):
    text = reviewer.get("/?q=onerror").text
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_a_decision_needs_the_token_and_the_role(client, tokens):
    form = {"account_id": "A0007", "choice": "dismiss"}
    client.post("/login", data={"key": tokens["decide"]})
    assert client.post("/decisions", data=form).status_code == 403, "no token"
    assert client.post("/decisions", data={**form, "csrf": "x"}).status_code == 403, "a wrong one"
    client.post("/login", data={"key": tokens["score"]})
    token = csrf(client.get("/").text)
    assert client.post("/decisions", data={**form, "csrf": token}).status_code == 403, "a key that may not decide"


def test_an_override_without_a_reason_is_refused_and_says_so(reviewer, store):
    token = csrf(reviewer.get("/").text)
    form = {"csrf": token, "account_id": "A0008", "choice": "override", "tier": "green", "reason": "  "}
    answer = reviewer.post("/decisions", data=form)
    assert answer.status_code == 422
    assert "needs a reason" in answer.text
    with store.read() as db:
        assert decisions.history(db, "A0008") == []


@pytest.mark.parametrize(
    "wrong", [{"tier": "purple"}, {"play": "none such"}, {"choice": "maybe"}, {"risk_level": "enormous"}]
)
def test_a_decision_that_the_policy_does_not_know_is_refused(reviewer, store, wrong):
    form = {"csrf": csrf(reviewer.get("/").text), "account_id": "A0009", "choice": "override", "reason": "because"}
    assert reviewer.post("/decisions", data={**form, **wrong}).status_code == 422
    with store.read() as db:
        assert decisions.history(db, "A0009") == []


def test_a_decision_is_kept_shown_and_audited(reviewer, store):
    from serving.store import audit

    form = {"csrf": csrf(reviewer.get("/").text), "account_id": "A0010", "choice": "override"}
    form |= {"tier": "green", "reason": "<b>They</b> renewed by phone", "play": "check_in"}
    answer = reviewer.post("/decisions", data=form)
    assert answer.status_code == 303
    text = reviewer.get(answer.headers["location"]).text
    assert "Your decision is recorded" in text
    assert "&lt;b&gt;They&lt;/b&gt; renewed by phone" in text
    with store.read() as db:
        (kept,) = decisions.history(db, "A0010")
        (entry,) = audit.recent(db, subject="A0010")
    assert (kept.choice, kept.values, kept.play) == ("override", {"tier": "green"}, "check_in")
    assert entry.detail["decision"] == kept.id


@pytest.mark.parametrize(
    ("query", "status"),
    [("q=Company+7", 200), ("sort=name", 422), ("limit=9999", 422), ("cursor=xx", 404), ("nosuch=1", 422),
     ("renewal_within_days=30&tier=red&risk_level=high&owner=csm-1", 200), ("tier=", 200)],
)  # fmt: skip
def test_filters_are_understood_or_refused(reviewer, query, status):
    assert reviewer.get(f"/?{query}").status_code == status


@pytest.mark.parametrize("account_id", ["a%2Fb%3Fc%20d", "B" * 300])
def test_odd_ids_have_a_page(reviewer, account_id):
    assert reviewer.get(f"/accounts/{account_id}").status_code == 200


def test_an_unknown_account_is_not_found(reviewer):
    assert reviewer.get("/accounts/none").status_code == 404


def test_the_export_holds_the_list_and_no_formula(reviewer):
    answer = reviewer.get("/accounts.csv?owner=csm-4")
    found = list(csv.DictReader(StringIO(answer.text)))
    assert len(found) == 24
    assert {row["owner"] for row in found} == {"csm-4"}
    assert not [cell for row in found for cell in row.values() if cell and cell[0] in "=@\t\r"]
    listed = reviewer.get("/v1/accounts?owner=csm-4&limit=200").json()["accounts"]
    assert [row["health_score"] for row in found] == [str(one["health_score"]) for one in listed]


def test_assets_are_kept_for_a_year_under_their_digest(client):
    text = client.get("/login").text
    (address,) = re.findall(r'href="(/assets/pages\.css[^"]+)"', text)
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/assets/pages.css?v=other").headers["cache-control"] == "no-cache"
    assert [client.get(f"/assets/{name}").status_code for name in ("none.css", "..%2Fdoor.py")] == [404, 404]
    assert client.get("/assets/chart.js").text.startswith("/*!\n * Chart.js")
