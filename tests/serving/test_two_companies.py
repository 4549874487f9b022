"""Two companies on one machine: each has its store, keys, secret and pages, and nothing of one opens the other's."""

import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from features.config import load
from serving.api import create_app
from serving.api.access import COOKIE, secret_of
from serving.bundle import save
from serving.opening import opened
from serving.service import pages
from serving.store import keys, open_store, runs
from serving.store.address import store_url
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW = datetime(2026, 1, 1)
CONFIG = """
[company]
name = "{name}"
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""
WHO = "same-id"


@dataclass
class Company:
    """A served company, and a key of it that may do everything."""

    name: str
    home: Path
    client: TestClient
    token: str

    def get(self, path, token=None):
        return self.client.get(path, headers={"X-API-Key": token or self.token}, follow_redirects=False)


@pytest.fixture
def two(tmp_path, bundle, monkeypatch):
    """Two companies that know an account of the same id with another score, served in one process."""
    for name in ("KEEPWELL_SECRET", "KEEPWELL_STORE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    save(bundle, tmp_path / "bundle")
    monkeypatch.setenv("KEEPWELL_BUNDLE", str(tmp_path / "bundle"))
    with ExitStack() as stack:
        yield [_company(stack, tmp_path / name, name, health) for name, health in (("north", 11.0), ("south", 88.0))]


def _company(stack, folder, name, health):
    folder.mkdir()
    config = folder / "keepwell.toml"
    config.write_text(CONFIG.format(name=name))
    settings = load(config)
    store = open_store(store_url(settings))
    with store.write() as db:
        _, token = keys.create(db, name="all", role="admin", at=NOW)
        rows = [Scored(score=Score(account_id=WHO, health_score=health, name=f"{name} customer"))]
        runs.write_run(db, NewRun(as_of=NOW, model_version="1", policy_digest="p", scored_at=NOW), rows)
    store.close()
    client = stack.enter_context(TestClient(create_app(lambda: opened(config), pages=pages())))
    return Company(name, settings.home_dir, client, token)


def test_each_answers_from_its_own_store(two):
    for company, health in zip(two, (11.0, 88.0), strict=True):
        assert company.get(f"/v1/accounts/{WHO}").json()["account"]["health_score"] == health


def test_a_key_of_one_is_worth_nothing_at_the_other(two):
    for one, other in (two, reversed(two)):
        answer = other.get(f"/v1/accounts/{WHO}", token=one.token)
        assert answer.status_code == 401
        assert other.client.post("/login", data={"key": one.token}).status_code == 401


def test_a_cookie_of_one_is_worth_nothing_at_the_other(two):
    north, south = two
    north.client.post("/login", data={"key": north.token}, follow_redirects=False)
    cookie = north.client.cookies[COOKIE]
    assert "north customer" in north.client.get("/").text
    south.client.cookies.set(COOKIE, cookie)
    answer = south.client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")
    assert south.client.get(f"/v1/accounts/{WHO}").status_code == 401


def test_what_is_done_at_one_is_not_seen_at_the_other(two):
    north, south = two
    headers = {"X-API-Key": north.token, "Idempotency-Key": "once"}
    address = f"/v1/accounts/{WHO}"
    assert north.client.post(f"{address}/decisions", json={"choice": "dismiss"}, headers=headers).status_code == 201
    told = {"facts": {"strategic": 1}}
    assert north.client.put(f"{address}/facts", json=told, headers={"X-API-Key": north.token}).status_code == 200
    assert len(north.get(f"{address}/decisions").json()["decisions"]) == 1
    assert south.get(f"{address}/decisions").json()["decisions"] == []
    assert south.get(f"{address}/facts").json()["history"] == []
    headers["X-API-Key"] = south.token
    fresh = south.client.post(f"{address}/decisions", json={"choice": "accept"}, headers=headers)
    assert fresh.status_code == 201, "the same idempotency key is another one here"


def test_nothing_on_disk_is_shared(two):
    north, south = two
    assert secret_of(north.home) != secret_of(south.home)
    for company, other in (two, reversed(two)):
        written = [path for path in company.home.rglob("*") if path.is_file()]
        assert {path.name for path in written} >= {"secret", "store.db"}
        assert not any(path.is_relative_to(other.home) for path in written)
        held = b"".join(path.read_bytes() for path in written)
        assert f"{company.name} customer".encode() in held
        assert f"{other.name} customer".encode() not in held
