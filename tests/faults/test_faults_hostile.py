"""Hostile bytes at the running service: always an answer, never a 5xx, no memory kept, nobody else hurt."""

import json
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from time import monotonic

import pytest

LONG = pytest.mark.slow, pytest.mark.faults
MB = 2**20
GROWTH = 1.2
HEAVY = 4.0
"""Of a process of 250 MB that reads one body of a million objects."""
DECISIONS = "/v1/accounts/acme-01/decisions"
DEEP = b"[" * 200_000 + b"]" * 200_000
VALID = [
    ("/v1/predict", {"account_ids": ["acme-01", "acme-02", "nobody"]}),
    ("/v1/predict", {"rows": [{"external_id": "x", "features": {"nps_last": 3, "plan": "pro", "mrr": None}}]}),
    ("/v1/predict", {"accounts": [{"external_id": "acme-03", "overrides": {"nps_last": 9.5}}], "max_top_factors": 2}),
    ("/v1/jobs", {"account_ids": ["acme-01"], "format": "parquet", "explain": False}),
    ("/v1/jobs", {"rows": [{"external_id": "x", "features": {"tickets_open": 4}}]}),
    (DECISIONS, {"choice": "override", "reason": "They said so.", "values": {"tier": "yellow", "risk_level": "low"}}),
    (DECISIONS, {"choice": "accept"}),
    ("/login", {"key": "kw_0123456789ab_x", "next": "/"}),
]
NASTY = [
    *(None, True, False, 0, -1, 2**63, 2**64, 10**400, 1e308, -1e-320, float("nan"), float("inf"), "", " ", "\x00"),
    *(
        "a\x00b",
        "\ud800",
        "x\udfffy",
        "\U0010ffff",
        "ÿ" * 5000,
        "x" * 20_000,
        "' OR 1=1 --",
        "%00",
        "../..",
        "\r\nX: y",
    ),
    *([], {}, [[]], [None], {"": 1}, {"\x00": 1}, {"\ud800": "\ud800"}, [1] * 300, {str(i): i for i in range(300)}),
]


def well(live):
    """It answers others as ever."""
    status, _, answer = live.ask("POST", "/v1/predict", json.dumps({"account_ids": ["acme-01"]}))
    return status == 200 and json.loads(answer)["results"][0]["status"] == "ok"


def status_of(told):
    return int(told.split()[1]) if told.startswith(b"HTTP/1.1 ") else None


def head(live, path, *lines, key="decide"):
    known = [f"POST {path} HTTP/1.1", "Host: x", f"X-API-Key: {live.tokens[key]}", "Content-Type: application/json"]
    return "\r\n".join([*known, *lines]).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/jobs", DECISIONS, "/login"])
def test_fifty_megabytes_are_413_however_they_come_and_are_not_held(live, path):
    assert well(live)
    with live.memory_below(GROWTH):
        with socket.create_connection(("127.0.0.1", live.port), timeout=30) as wire:
            wire.sendall(head(live, path, f"Content-Length: {50 * MB}") + b" ")
            assert status_of(wire.recv(65536)) == 413
        with socket.create_connection(("127.0.0.1", live.port), timeout=30) as wire:
            wire.sendall(head(live, path, "Transfer-Encoding: chunked"))
            sent, chunk = 0, b"100000\r\n" + b" " * MB + b"\r\n"
            with suppress(OSError):  # an answer before the end may close the connection under our writing
                while sent < 50 and not _has_answer(wire):
                    wire.sendall(chunk)
                    sent += 1
            with suppress(OSError):
                assert status_of(wire.recv(65536)) == 413
    assert sent < 50
    assert well(live)


@pytest.mark.parametrize("bodies", [pytest.param(2, id="2"), pytest.param(60, id="60", marks=LONG)])
def test_many_job_bodies_of_16_mb_at_once_are_read_few_at_a_time_and_others_are_answered(live, bodies):
    """A valid one, and the worst to read: a million small objects. All are answered, by turns."""
    assert well(live)
    worst = b'{"rows": [' + b",".join([b'{"a":{}}'] * 1_860_000) + b"]}"
    valid = json.dumps({"account_ids": ["acme-01"]}).encode().ljust(16 * MB - 1)
    told, others = Counter(), []
    with live.memory_below(HEAVY), ThreadPoolExecutor(bodies) as pool:
        asked = [pool.submit(live.ask, "POST", "/v1/jobs", (worst, valid)[i % 2], timeout=120) for i in range(bodies)]
        while not all(one.done() for one in asked):
            began = monotonic()
            assert well(live)
            others.append(monotonic() - began)
        for one in asked:
            told[one.result()[0]] += 1
    print(told, f"others waited {max(others):.2f} s at most")  # noqa: T201
    assert set(told) <= {202, 422, 429}
    assert told[202] + told[422] > 0
    assert len(others) > 1


def _has_answer(wire):
    wire.setblocking(False)
    try:
        return bool(wire.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        wire.settimeout(30)


def test_who_drips_is_cut_off_and_hurts_nobody(live):
    """Forty bodies and a hundred heads that never end, and ten clients that say nothing; all others are served."""
    whole = head(live, "/v1/predict", "Content-Length: 1000")
    opened = []
    try:
        for words in [whole + b"{"] * 40 + [whole[:-20]] * 100 + [b""] * 10:
            opened.append(socket.create_connection(("127.0.0.1", live.port), timeout=60))
            opened[-1].sendall(words)
        assert well(live)
        assert [status_of(wire.recv(65536)) for wire in opened] == [408] * 40 + [None] * 110  # None: it was closed
        assert well(live)
    finally:
        for wire in opened:
            wire.close()


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        pytest.param(DEEP, {400}, id="nested deeply"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {400}, id="objects nested deeply"),
        pytest.param(b'{"account_ids": ["x"], "max_top_factors": ' + b"9" * 100_000 + b"}", {400}, id="huge number"),
        pytest.param(b'{"rows": [{"external_id": "x", "features": {"mrr": 1e999}}]}', {400, 422}, id="beyond a double"),
        pytest.param(b'{"rows": [{"external_id": "x", "features": {"mrr": 1e308}}]}', {200}, id="largest double"),
        pytest.param(b'{"account_ids": ["\\ud800"]}', {400, 422}, id="half a surrogate"),
        pytest.param(b'{"account_ids": ["\xed\xa0\x80"]}', {400}, id="half a surrogate in bytes"),
        pytest.param(b'{"account_ids": ["a\\u0000b"]}', {400, 422}, id="NUL"),
        pytest.param(b"\xff\xfe{\x00}\x00", {400}, id="UTF-16"),
        pytest.param(b"", {400}, id="nothing"),
        pytest.param(b"\x00" * 1000, {400}, id="zeros"),
    ],
)
def test_a_hostile_body_is_refused_and_told_why(live, body, statuses):
    for path in ("/v1/predict", "/v1/jobs"):
        status, headers, answer = live.ask("POST", path, body)
        assert (status in statuses) or (path == "/v1/jobs" and statuses == {200} and status == 202), answer
        assert status in (200, 202) or headers["Content-Type"] == "application/problem+json"
    assert well(live)


PLACES = ["", "/history", "/explanation", "/decisions"]
IDS = [
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF%FE",
    "%C0%AF",
    "%F4%90%80%80",
    "..",
    "%2e%2e",
    "%2F",
    "x" * 20_000,
    "%F0%9F%92%A9",
]


@pytest.mark.parametrize("name", IDS, ids=[name[:12] for name in IDS])
def test_a_hostile_id_or_filter_finds_nothing_and_breaks_nothing(live, name):
    asked = [f"/v1/accounts/{name}{place}" for place in PLACES] + [f"/v1/jobs/{name}", f"/v1/jobs/{name}/result"]
    asked += [
        f"/v1/accounts?{field}={name}" for field in ("q", "tier", "segment", "owner", "driver", "cursor", "limit")
    ]
    asked += [f"/v1/accounts?{name}=1", f"/accounts/{name}", f"/?q={name}"]
    for path in asked:
        status, _, answer = live.ask("GET", path)
        assert status < 500, (path[:80], answer)
        if "?" not in path and name != "..":
            assert status in (303, 307, 400, 404), path[:80]
    status, _, answer = live.ask("POST", f"/v1/accounts/{name}/decisions", '{"choice": "accept"}')
    assert status in (400, 404), answer


def mutated(chance, body):
    """A request's body with one to three changes of its structure, its bytes, or both."""
    value = json.loads(json.dumps(body))
    if chance.random() < 0.7:
        for _ in range(chance.randint(1, 3)):
            value = grafted(chance, value)
    raw = json.dumps(value).encode()
    if chance.random() < 0.5:
        for _ in range(chance.randint(1, 3)):
            raw = spoiled(chance, raw)
    return raw


def grafted(chance, value):
    """The value with something nasty in one place: instead of a part, as a name, or as one member more."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.15:
            return {**value, str(chance.choice(NASTY)): value[name]}
        return {**value, name: grafted(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [*value[:place], grafted(chance, value[place]), *value[place + 1 :]]
    return chance.choice(NASTY)


def spoiled(chance, raw):
    """The bytes with some flipped, left out, put in or said twice, or cut off."""
    at = chance.randrange(len(raw) + 1)
    upto = min(len(raw), at + chance.randint(1, 8))
    middle = chance.choice(
        [b"", chance.randbytes(4), raw[at:upto] * 2, b'"', b"\\", b"{", b"]", b",", b"\xed\xa0\x80", None]
    )
    return raw[:at] if middle is None else raw[:at] + middle + raw[upto:]


@pytest.mark.parametrize(
    ("bodies", "growth"), [pytest.param(300, 1.5, id="300"), pytest.param(10_000, 1.2, id="10,000", marks=LONG)]
)
def test_mutated_bodies_give_no_5xx_and_cost_no_memory(live, bodies, growth):
    chance = Random(6)
    for path, body in VALID * 5:
        assert live.ask("POST", path, json.dumps(body), headers={"Accept": "*/*"})[0] < 500
    told = Counter()
    with live.memory_below(growth):
        for number in range(bodies):
            path, body = VALID[number % len(VALID)]
            raw = mutated(chance, body)
            headers = {"Idempotency-Key": f"m-{number}"} if chance.random() < 0.2 else {}
            status, _, answer = live.ask("POST", path, raw, headers=headers)
            assert status < 500, (path, raw[:300], answer)
            told[status] += 1
    print(sorted(told.items()))  # noqa: T201
    assert {200, 400, 422} <= set(told)
    assert well(live)
