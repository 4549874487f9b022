"""The attacker's side, at the running service: whatever is tried without the right key, no account is told of."""

from contextlib import closing
from datetime import timedelta

import anyio
import pytest

from serving.api.access import COOKIE, Access
from serving.api.context import utc_now
from serving.store import decisions, keys, open_store

BOOK, ONE, DECIDE = "/v1/accounts", "/v1/accounts/acme-01", "/v1/accounts/acme-02/decisions"
ACCEPT, ASK = b'{"choice": "accept"}', b'{"account_ids": ["acme-01"]}'


@pytest.fixture(scope="module")
def spoils(live, tmp_path_factory):
    """What an attacker may hold: (name -> headers), none of which opens anything."""
    with closing(open_store(live.url)) as store:
        with store.write() as db:
            revoked, dead = keys.create(db, name="revoked", role="admin", at=utc_now())
            keys.revoke(db, revoked.id, at=utc_now())
        made = [session(store, live, clock=lambda: utc_now() - timedelta(hours=13)), session(store, live, b"o" * 32)]
        (_, expired, _), (_, forged, _) = made
        _, cookie, _ = session(store, live)
    with (
        closing(open_store(f"sqlite:///{tmp_path_factory.mktemp('other') / 'store.db'}")) as other,
        other.write() as db,
    ):
        _, foreign = keys.create(db, name="theirs", role="admin", at=utc_now())
    right = live.tokens["admin"]
    tokens = {"wrong": "x", "empty": "", "cut": right[:-1], "grown": right + "x", "revoked": dead, "foreign": foreign}
    cookies = {"expired": expired, "forged": forged, "cut": cookie[:-2], "bare": cookie.split(".")[0], "empty": ""}
    return {
        "nothing": {},
        **{f"{name} key": {"X-API-Key": token} for name, token in tokens.items()},
        **{f"{name} bearer": {"Authorization": f"Bearer {token}"} for name, token in tokens.items()},
        **{f"{name} cookie": {"Cookie": f"{COOKIE}={value}"} for name, value in cookies.items()},
        "basic": {"Authorization": f"Basic {right}"},
        "another's address": {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/livez", "X-Forwarded-User": "admin"},
    }


def session(store, live, secret=None, clock=utc_now):
    """Caller, cookie and CSRF token of a login that is signed so."""
    access = Access(store, secret or live.secret, clock)
    caller, cookie = anyio.run(access.login, live.tokens["decide"])
    return caller, cookie, access.csrf_token(caller)


def decided(live):
    with closing(open_store(live.url)) as store, store.read() as db:
        return len(decisions.history(db, "acme-02"))


SPOILS = [
    *(
        "nothing",
        "basic",
        "another's address",
        *(f"{name} cookie" for name in ("expired", "forged", "cut", "bare", "empty")),
    ),
    *(
        f"{name} {way}"
        for name in ("wrong", "empty", "cut", "grown", "revoked", "foreign")
        for way in ("key", "bearer")
    ),
]


@pytest.mark.parametrize("name", SPOILS)
def test_what_is_no_valid_key_opens_nothing(live, spoils, name):
    before, headers = decided(live), spoils[name]
    assert set(spoils) == set(SPOILS)
    for method, path, body in (
        *(("GET", path, None) for path in (BOOK, ONE, f"{ONE}/history", "/v1/model", "/metrics", "/v1/jobs/x/result")),
        *(
            ("POST", "/v1/predict", ASK),
            ("POST", "/v1/jobs", ASK),
            ("POST", DECIDE, ACCEPT),
            ("DELETE", "/v1/jobs/x", None),
        ),
    ):
        status, told, answer = live.ask(method, path, body, key=None, headers=headers)
        assert (status, b"acme" in answer) == (401, False), path
        assert told["WWW-Authenticate"] == "Bearer"
    for path in ("/", "/accounts/acme-01", "/accounts.csv", "/model"):
        status, told, answer = live.ask("GET", path, key=None, headers=headers)
        assert (status, b"acme" in answer) == (303, False), path
        assert told["Location"].startswith("/login")
    assert decided(live) == before


@pytest.mark.parametrize("with_token", ["none", "empty", "wrong", "another session's", "the cookie itself"])
def test_a_cookie_without_its_own_csrf_token_changes_nothing(live, with_token):
    with closing(open_store(live.url)) as store:
        (_, cookie, csrf), (_, _, other) = session(store, live), session(store, live)
    token = {"none": None, "empty": "", "wrong": csrf[::-1], "another session's": other}.get(with_token, cookie)
    held, before = {"Cookie": f"{COOKIE}={cookie}"}, decided(live)
    assert live.ask("GET", ONE, key=None, headers=held)[0] == 200
    given = {} if token is None else {"X-CSRF-Token": token}
    for path, body in ((DECIDE, ACCEPT), ("/v1/predict", ASK), ("/v1/jobs", ASK)):
        assert live.ask("POST", path, body, key=None, headers=held | given)[0] == 403
    form = f"choice=accept&account_id=acme-02&csrf={token or ''}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert live.ask("POST", "/decisions", form, key=None, headers=held | kind)[0] == 403
    assert decided(live) == before
    assert live.ask("POST", DECIDE, ACCEPT, key=None, headers=held | {"X-CSRF-Token": csrf})[0] == 201


@pytest.mark.parametrize(("role", "refused"), [("read", ("predict", "jobs", "decide")), ("score", ("decide",))])
def test_a_key_does_no_more_than_its_role(live, role, refused):
    before = decided(live)
    asked = {"predict": ("/v1/predict", ASK), "jobs": ("/v1/jobs", ASK), "decide": (DECIDE, ACCEPT)}
    for name in refused:
        for trick in ({}, {"X-HTTP-Method-Override": "GET"}, {"X-Role": "admin"}, {"X-Original-URL": BOOK}):
            status, _, answer = live.ask("POST", *asked[name], key=role, headers=trick)
            assert (status, b"acme" in answer) == (403, False), name
    assert decided(live) == before


PATHS = [
    *("//v1/accounts", "/v1//accounts", "/v1/accounts/", "/v1/accounts/..", "/v1/accounts/%2e%2e", "/v1/./accounts"),
    *(
        "/livez/../v1/accounts",
        "/livez/%2e%2e/v1/accounts",
        "/v1/openapi.json/../accounts",
        "/v1/openapi.json/..%2faccounts",
    ),
    *("/assets/../v1/accounts", "/assets/%2e%2e%2fdoor.py", "/assets/..%2f..%2fstore.db", "/assets/%2fetc%2fpasswd"),
    *(
        "/V1/ACCOUNTS",
        "/v1/accounts;x=1",
        "/v1/accounts%00",
        "/v1/accounts%3f",
        "/v1%2faccounts",
        "/v1\\accounts",
        "/%761/accounts",
    ),
    *(
        "/login/../accounts.csv",
        "/login?next=//evil.example",
        "http://127.0.0.1/v1/accounts",
        "http://evil.example/accounts.csv",
    ),
    *(
        "/v1/accounts?key={token}",
        "/v1/accounts?X-API-Key={token}",
        "/v1/accounts?access_token={token}",
        "/livez?/v1/accounts",
    ),
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_around_the_door(live, path):
    words = path.replace("{token}", live.tokens["admin"])
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PROPFIND", "TRACE"):
        told = live.say(f"{method} {words} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert told.startswith(b"HTTP/1.1 "), path
        assert int(told.split()[1]) < 500
        for secret in (b"acme", b'churn_probability": 0', b"root:", b"SQLite", b"import "):
            assert secret not in told.replace(b"evil.example/accounts.csv", b""), (method, path)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["X-API-Key: {read}", "X-API-Key: {decide}"], id="two keys"),
        pytest.param(["Authorization: Bearer {read}", "Authorization: Bearer {decide}"], id="two authorizations"),
        pytest.param(["Authorization: Bearer {decide}", "Authorization: Basic eDp4"], id="a key and a password"),
        pytest.param(["Authorization: Bearer x", "X-API-Key: {decide}"], id="a wrong and a right one"),
        pytest.param(["Authorization: Bearer x, Bearer {decide}"], id="two in one"),
        pytest.param(["Authorization : Bearer {decide}"], id="a space before the colon"),
        pytest.param(["X_API_Key: {decide}"], id="underscores"),
        pytest.param(["Cookie: X-API-Key={decide}"], id="a key in a cookie"),
    ],
)
def test_headers_that_contradict_each_other_are_nobody(live, lines):
    before = decided(live)
    told = live.say(post(live, DECIDE, *lines, f"Content-Length: {len(ACCEPT)}", "Connection: close") + ACCEPT)
    assert int(told.split()[1]) in (400, 401), told
    assert b"acme" not in told
    assert decided(live) == before


def post(live, path, *lines):
    known = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines]
    words = "\r\n".join(known) + "\r\n\r\n"
    for role, token in live.tokens.items():
        words = words.replace("{" + role + "}", token)
    return words.encode()


INNER = b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Content-Length: 5", "Transfer-Encoding: chunked"], id="length and chunks"),
        pytest.param(["Content-Length: 0", "Content-Length: 45"], id="two lengths"),
        pytest.param(["Transfer-Encoding: xchunked"], id="unknown encoding"),
        pytest.param(["Content-Length: -1"], id="negative length"),
        pytest.param(["Content-Length: 5", "X-A: b\rX-API-Key: {admin}"], id="a bare CR"),
    ],
)
def test_a_request_hidden_in_a_body_has_no_key_either(live, lines):
    """Whatever ends first, the request behind it stands alone: it does not inherit the key of the one before it."""
    told = live.say(post(live, "/v1/predict", "X-API-Key: {read}", *lines) + b"0\r\n\r\n" + INNER, timeout=2)
    assert told.startswith(b"HTTP/1.1 ")
    assert b"acme" not in told
    assert all(part[:3] in (b"400", b"401", b"403", b"404", b"411", b"501") for part in told.split(b"HTTP/1.1 ")[1:])


def test_a_flood_of_wrong_keys_learns_nothing_and_locks_nobody_out(live):
    for number in range(100):
        assert live.ask("GET", BOOK, key=None, headers={"X-API-Key": f"kw_{number:012x}_x"})[0] == 401
    status, _, answer = live.ask("GET", ONE, key="read")
    assert (status, b"acme-01" in answer) == (200, True)
