"""Pages of what is hardly known: an empty store, a score of nothing but nulls, a model without evidence, no model."""

from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from serving.api import ModelHolder, create_app, open_context
from serving.pages import routes
from serving.store import keys, open_store, runs
from serving.store.runs import ModelVersion, NewRun
from serving.store.scores import Score, Scored

DAY = datetime(2026, 1, 5)
PAGES = ("/", "/accounts/a", "/accounts.csv", "/model")


@contextmanager
def visiting(tmp_path, policy, *books):
    """A logged-in client over a store with these books, a week apart, and no live model."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    with store.write() as db:
        _, token = keys.create(db, name="k", role="admin", at=DAY)
        for k, rows in enumerate(books):
            day = DAY + timedelta(weeks=k)
            new = NewRun(as_of=day, model_version="cold-start", policy_digest="p", scored_at=day)
            runs.write_run(db, new, rows)
    app = create_app(
        lambda: open_context(store, ModelHolder(policy.bands), policy, secret=b"x" * 32), pages=routes()
    )  # fmt: skip
    with TestClient(app, follow_redirects=False) as client:
        client.post("/login", data={"key": token})
        yield client, store
    store.close()


def test_an_empty_store_says_what_to_do(tmp_path, policy):
    with visiting(tmp_path, policy) as (client, _):
        assert "Nothing is scored yet" in client.get("/").text
        assert "Nothing is scored yet" in client.get("/model").text
        assert client.get("/accounts/a").status_code == 404
        assert client.get("/accounts.csv").text.startswith("account_id,name")


def test_what_is_not_known_is_a_dash_and_never_zero(tmp_path, policy):
    bare = [Scored(score=Score(account_id="a", status="cold_start"))]
    with visiting(tmp_path, policy, bare, bare) as (client, _):
        assert [client.get(path).status_code for path in PAGES] == [200] * 4
        text = client.get("/accounts/a").text
        for field in ("health_score", "churn_probability", "value_at_risk"):
            assert f'data-field="{field}" value="">\N{EN DASH}</data>' in text
        assert "Not scored" in client.get("/").text


@pytest.mark.parametrize(
    "evidence",
    [None, {}, {"test": {"n": 10}}, {"health": {"weights": {}, "tiers": {}, "checks": []}}, {"leaks": [], "notes": []},
     {"test": {"auc": {"value": None, "low": None, "high": None}}, "benchmarks": {"recency": {}}},
     {"capacity": [{"capacity": 5.0, "precision": None}], "groups": {"new: segment": {}}}],
)  # fmt: skip
def test_a_model_with_parts_of_its_evidence_has_a_page(tmp_path, policy, evidence):
    with visiting(tmp_path, policy, [Scored(score=Score(account_id="a"))]) as (client, store):
        about = {"weights": {"usage": 1.0}, **({} if evidence is None else {"evidence": evidence})}
        with store.write() as db:
            runs.put_model(db, ModelVersion(version="cold-start", digest="d", about=about))
        assert client.get("/model").status_code == 200
