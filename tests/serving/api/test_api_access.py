"""Who may do what, from the attacker's side: keys, cookies, CSRF tokens, and the file they are signed with."""

from datetime import datetime, timedelta

import pytest
from starlette.responses import Response

from serving.api.access import COOKIE, secret_of, set_cookie
from serving.api.routes import ENDPOINTS
from serving.errors import ServingError
from serving.store import keys

PLACES = {"{account_id:path}": "acme-01", "{job_id}": "0" * 32, "{record_id}": "one"}
BODIES = {
    "/v1/predict": {"account_ids": ["acme-01"]},
    "/v1/jobs": {"account_ids": ["acme-01"]},
    "/v1/accounts/acme-01/decisions": {"choice": "accept"},
    "/v1/accounts/acme-01/facts": {"facts": {"strategic": 1}},
    "/v1/accounts/acme-01/plays": {"play": "check_in"},
    "/v1/events": {"events": [{"account_id": "acme-01", "at": "2025-06-01T10:00:00Z"}]},
    "/v1/accounts/acme-01/postmortems": {"cause": "value"},
    "/v1/records/one/reviews": {"kind": "initial", "outcome": "confirmed", "note": "looked"},
}
ALL = [pytest.param(e.method, e.path, e.permission, id=f"{e.method} {e.path}") for e in ENDPOINTS]
RANKS = {"read": 0, "score": 1, "decide": 2, "admin": 3}


def address(path):
    for name, value in PLACES.items():
        path = path.replace(name, value)
    return path


def ask(served, method, path, **rest):
    path = address(path)
    return served.ask(method, path, **({"json": BODIES[path]} if method in ("POST", "PUT") else {}), **rest)


@pytest.mark.parametrize(("method", "path", "permission"), ALL)
def test_nobody_reaches_data_without_a_valid_key(module_served, method, path, permission):
    right = module_served.tokens["admin"]
    key_id = right.split("_")[1]
    for wrong in (None, "", "x", "kw__", right[:-1], right + "x", f"kw_{key_id}_", f"kw_{key_id}_' OR 1=1", "é"):
        headers = {} if wrong is None else {"X-API-Key": wrong.encode()}
        answer = ask(module_served, method, path, key=None, headers=headers)
        assert answer.status_code == 401, wrong
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["type"] == "urn:keepwell:problem:no-key"
        assert "acme" not in answer.text


@pytest.mark.parametrize(("method", "path", "permission"), ALL)
@pytest.mark.parametrize("role", RANKS)
def test_a_role_does_what_it_may_and_no_more(module_served, method, path, permission, role):
    answer = ask(module_served, method, path, key=role)
    if RANKS[role] >= RANKS[permission]:
        assert answer.status_code in (200, 201, 202, 404, 409)
    else:
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:keepwell:problem:not-allowed"


def test_a_revoked_key_is_dead_within_a_second(serving, keep, store):
    keep()
    now = [0.0]
    served = serving(ticks=lambda: now[0])
    assert ask(served, "GET", "/v1/accounts", key="read").status_code == 200
    with store.write() as db:
        keys.revoke(db, served.tokens["read"].split("_")[1], at=served.context.clock())
    now[0] += 1
    assert ask(served, "GET", "/v1/accounts", key="read").status_code == 401


def test_both_headers_carry_a_key(served):
    token = served.tokens["read"]
    assert ask(served, "GET", "/v1/tiers", key=None, headers={"X-API-Key": token}).status_code == 200
    assert ask(served, "GET", "/v1/tiers", key=None, headers={"Authorization": f"bearer  {token}"}).status_code == 200
    for wrong in (f"Basic {token}", "", "Bearer", f"Bearer {served.tokens['score']}"):
        headers = {"Authorization": wrong, "X-API-Key": token}
        assert ask(served, "GET", "/v1/tiers", key=None, headers=headers).status_code == 401, wrong


@pytest.fixture
def session(served):
    """A page's session of a key that may decide: its cookie and its CSRF token."""
    caller, cookie = served.client.portal.call(served.context.access.login, served.tokens["decide"])
    return caller, cookie, served.context.access.csrf_token(caller)


def with_cookie(served, cookie, *, csrf=None, method="POST"):
    headers = {"Cookie": f"{COOKIE}={cookie}", **({"X-CSRF-Token": csrf} if csrf is not None else {})}
    path = "/v1/accounts/acme-01/decisions"
    return ask(served, method, path, key=None, headers=headers).status_code


def test_a_cookie_reads_and_decides_with_the_csrf_token(served, session):
    _, cookie, csrf = session
    assert with_cookie(served, cookie, method="GET") == 200
    assert with_cookie(served, cookie, csrf=csrf) == 201


def test_a_cookie_without_its_csrf_token_changes_nothing(served, session):
    caller, cookie, csrf = session
    other, _ = served.client.portal.call(served.context.access.login, served.tokens["decide"])
    for wrong in (None, "", "x", csrf[:-1], csrf + "x", served.context.access.csrf_token(other), "é"):
        assert with_cookie(served, cookie, csrf=wrong.encode() if wrong else wrong) == 403, wrong
    assert other.session != caller.session
    assert ask(served, "GET", "/v1/accounts/acme-01/decisions").json()["decisions"] == []


def test_a_forged_cookie_is_nobody(served, session):
    _, cookie, csrf = session
    payload, signature = cookie.split(".")
    other = served.client.portal.call(served.context.access.login, served.tokens["admin"])[1].split(".")[0]
    for forged in (f"{other}.{signature}", f"{payload}.{signature[::-1]}", payload, f"{payload}.", "a.b", ""):
        assert with_cookie(served, forged, csrf=csrf) == 401, forged


def test_a_session_ends_after_its_hours_and_with_its_key(serving, keep, store):
    keep()
    now, ticks = [datetime(2026, 3, 2, 6)], [0.0]
    served = serving(clock=lambda: now[0], ticks=lambda: ticks[0])
    access = served.context.access
    caller, cookie = served.client.portal.call(access.login, served.tokens["decide"])
    now[0] += timedelta(hours=12) - timedelta(seconds=1)
    assert with_cookie(served, cookie, csrf=access.csrf_token(caller)) == 201
    now[0] += timedelta(seconds=1)
    assert with_cookie(served, cookie, csrf=access.csrf_token(caller)) == 401
    caller, cookie = served.client.portal.call(access.login, served.tokens["decide"])
    with store.write() as db:
        keys.revoke(db, caller.key.id, at=now[0])
    ticks[0] += 1
    assert with_cookie(served, cookie, csrf=access.csrf_token(caller)) == 401


def test_a_wrong_key_opens_no_session(served):
    assert served.client.portal.call(served.context.access.login, served.tokens["read"] + "x") is None


@pytest.mark.parametrize("is_https", [True, False])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(is_https):
    response = Response()
    set_cookie(response, "value", is_https=is_https)
    words = {word.strip().lower() for word in response.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= words
    assert ("secure" in words) == is_https


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    first = secret_of(tmp_path / "home")
    assert len(first) >= 32
    assert secret_of(tmp_path / "home") == first
    path = tmp_path / "home" / "secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    path.chmod(0o644)
    with pytest.raises(ServingError, match="chmod 600"):
        secret_of(tmp_path / "home")


def test_the_environment_gives_the_secret_if_it_is_long_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("KEEPWELL_SECRET", "k" * 32)
    assert secret_of(tmp_path) == b"k" * 32
    monkeypatch.setenv("KEEPWELL_SECRET", "k" * 31)
    with pytest.raises(ServingError, match="too short"):
        secret_of(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_address_and_a_wrong_method_are_problems_too(served):
    for method, path, status in (("GET", "/v1/nothing", 404), ("PUT", "/v1/predict", 405)):
        answer = served.client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    allowed = served.client.request("PUT", "/v1/accounts/acme-01/decisions").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "POST"}
