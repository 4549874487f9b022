"""A seeded store of a small learned model, the application over it, and Chromium where there is one."""

import socket
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shutil import which
from time import monotonic, sleep

import numpy as np
import pyarrow as pa
import pytest
import uvicorn
from starlette.testclient import TestClient

from retention.blocks import Block, Chapter, Chart, Column, Report
from retention.figures import Figure
from serving.api import Facts, ModelHolder, create_app, open_context
from serving.assess import assess
from serving.before import Before
from serving.book import ScoredDay, score_book
from serving.keeping import Keeping
from serving.pages import routes
from serving.policy import load as load_policy
from serving.policy import within_budget
from serving.run import model_of
from serving.score import score
from serving.store import decisions, keys, open_store, reported, reports
from serving.store.decisions import Choosing
from serving.store.runs import NewRun
from serving.store.score_rows import placed

FIRST, LAST = datetime(2026, 1, 5), datetime(2026, 2, 9)
WEEK = timedelta(days=7)
ACCOUNTS = 120
LONG = "Averyveryverylongname" * 500
"""10,500 characters without a space."""
HOSTILE = '"><img src=x onerror=alert(1)> =SUM(A1)'
SHARE = Column("share", "Share", "share", has_interval=True)
MEASURED = Report(
    as_of=LAST,
    company="A company",
    chapters=(
        Chapter(
            id="first",
            title="The first chapter",
            blocks=(
                Block(
                    id="line",
                    title="A line with its interval",
                    systems=("R1",),
                    says="What is counted. " * 12,
                    columns=(Column("month", "Month", "month"), SHARE),
                    rows=tuple((datetime(2025, m, 1), Figure(m / 20, 40, m / 25, m / 15)) for m in range(1, 9)),
                    chart=Chart("line", "month", ("share",)),
                ),
                Block(
                    id="stack",
                    title="Stacked by tier",
                    systems=("R16",),
                    says="Shares.",
                    columns=(Column("day", "Day", "day"), Column("tier", "Tier"), SHARE),
                    rows=tuple(
                        (datetime(2026, 1, d), tier, Figure(part, 10))
                        for d in (1, 8, 15)
                        for tier, part in (("red", 0.2), ("yellow", 0.3), ("green", 0.5))
                    ),
                    chart=Chart("stacked", "day", ("share",), by="tier"),
                ),
                Block(
                    id="bars",
                    title="Bars",
                    systems=("R7",),
                    says="Bars.",
                    columns=(Column("tier", "Tier"), SHARE),
                    rows=(("red", Figure(0.4, 10, 0.2, 0.6)), ("green", Figure(None, 3))),
                    chart=Chart("bar", "tier", ("share",)),
                ),
            ),
            figures={"nrr": Figure(1.08, 90, 1.02, 1.15), "nps": Figure(None, 0)},
        ),
        Chapter(
            id="second",
            title="The second chapter",
            blocks=(
                Block(
                    id="accounts",
                    title="Accounts",
                    systems=("A9",),
                    says="Names that somebody chose.",
                    columns=(
                        Column("account_id", "Account"),
                        Column("note", "Note"),
                        Column("worth", "Worth", "money"),
                    ),
                    rows=tuple((f"A{i:04d}", LONG if i == 2 else HOSTILE, 1000.0 * i) for i in range(40)),
                    account="account_id",
                    notes=("A note.",),
                ),
            ),
            not_measured=("NPS: map `score` in [sources.feedback]",),
        ),
    ),
)
LOST = Block(
    id="postmortems",
    title="Every loss in one line",
    systems=("K1",),
    says="",
    columns=tuple(Column(name, name) for name in ("account_id", "at", "value", "cause", "summary", "missed", "found")),
    rows=(
        (
            "gone/one",
            LAST - WEEK,
            1200.0,
            "Value: Needs changed",
            "2 seen, the first 40 days before; nothing tried",
            2,
            None,
        ),
        ("L" * 300, LAST - WEEK, None, None, "nothing was seen; nothing tried", 0, None),
        ("A0003", FIRST - WEEK, 600.0, LONG, HOSTILE, 1, None),
    ),
    account="account_id",
)
"""Two who are scored no more, and one who came back."""
SECRET = b"a secret of at least 32 bytes, for tests"


def _neighbour(name):
    """The fixtures of tests/serving, whose small bundle these tests want too."""
    path = Path(__file__).parents[1] / "serving" / "conftest.py"
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_serving = _neighbour("serving_fixtures")
rows, bundle = _serving.rows, _serving.bundle


def figure(value, by=0.1):
    return {"value": value, "low": value * (1 - by), "high": value * (1 + by)}


METRICS = ("auc", "average_precision", "lift_at_10pct", "log_loss", "brier", "calibration_slope")
EVIDENCE = {
    "test": {"n": 400, "churners": 60, **{name: figure(0.8) for name in METRICS}},
    "benchmarks": {name: {m: figure(0.6) for m in METRICS} for name in ("base_rate", "recency", "logistic")},
    "health": {
        "weights": {"usage": figure(0.5), "feedback": figure(0.4), "support": figure(0.1, 0.9)},
        "tiers": {n: {"share": figure(s), "churn_rate": figure(c)} for n, s, c in
                  (("green", 0.4, 0.02), ("yellow", 0.4, 0.1), ("red", 0.2, 0.4))},
        "checks": [{"check": "red churns at 3 times the base rate or more", "value": 3.2, "passed": True}],
        "lead_time": {"accounts": 60, "warned": 0.9, "median_days": 70.0},
    },
    "capacity": [{"capacity": 40, "precision": 0.5, "recall": 0.4, "lift": 3.3, "value_recall": 0.35}],
    "groups": {"segment: smb": {name: figure(0.7) for name in METRICS}},
    "leaks": [{"check": "alone", "verdict": "clear", "sentence": "no feature outdoes all others together"},
              {"check": "ahead", "verdict": "flagged", "sentence": "a feature knows the next snapshot"}],
    "notes": ["Only 60 churned snapshots in the test period: the intervals are wide."],
    "reliability": [{"predicted": p, "observed": figure(p, 0.4), "n": 40} for p in (0.02, 0.05, 0.1, 0.2, 0.45)],
}  # fmt: skip


@pytest.fixture(scope="session")
def policy():
    return load_policy()


@pytest.fixture(scope="session")
def store(tmp_path_factory, bundle, rows, policy):
    """Six weekly runs of 120 accounts that drift, a challenger's shadow of the last, and one decision."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'store.db'}")
    learned = replace(bundle, tiers=policy.bands)
    champion = model_of(learned, "7")
    champion = replace(champion, about={**champion.about, "evidence": EVIDENCE, "base_rate": 0.15})
    before = Before()
    for k in range(6):
        day = FIRST + k * WEEK
        found = scored(learned, policy, rows, day, before, drift=k)
        keep(opened, policy, found, champion, NewRun(as_of=day, model_version="7", policy_digest="p", scored_at=day))
        before = Before(day, tuple(spec.name for spec in learned.features), {r.account_id: r for r in found.rows})
    shadow = scored(learned, policy, rows, LAST, Before(), drift=4)
    new = NewRun(as_of=LAST, model_version="8", policy_digest="p", scored_at=LAST, is_shadow=True)
    keep(opened, policy, shadow, replace(champion, version="8"), new)
    with opened.write() as db:
        decided = Choosing(
            account_id="A0003", at=LAST, by="somebody", choice="override", play="check_in",
            reason="They told us on the phone that they stay.", values={"tier": "yellow"},
        )  # fmt: skip
        decisions.decide(db, decided)
        reports.keep(db, reports.RETENTION, MEASURED.as_json(), as_of=LAST, at=LAST)
        told = Report(as_of=LAST, company="A company", chapters=(Chapter(id="reasons", title="Why", blocks=(LOST,)),))
        reported.keep(db, told.as_json(), as_of=LAST, at=LAST)
    yield opened
    opened.close()


def keep(store, policy, found, model, run):
    with store.write() as db:
        keeping = Keeping(db, model, run, [placed(row.score) for row in found.rows], {})
        keeping.add(keeping.bound(found))
        keeping.end(within_budget(policy, found.news, (), now=run.as_of))


def scored(bundle, policy, rows, day, before, *, drift):
    """A day's book of the first accounts, each week with a few more of their inputs moved on."""
    matrix = rows[:ACCOUNTS].copy()
    moved = np.arange(ACCOUNTS) % 7 < drift
    matrix[moved] = rows[200 : 200 + ACCOUNTS][moved]
    ids = [f"A{i:04d}" for i in range(ACCOUNTS)]
    ids[1], ids[2] = "a/b?c d", "B" * 300
    names = [spec.name for spec in bundle.features]
    keys_ = {"account_id": pa.array(ids), "snapshot_at": pa.array([day] * ACCOUNTS, pa.timestamp("us"))}
    features = pa.table({**keys_, **{n: pa.array(matrix[:, j], from_pandas=True) for j, n in enumerate(names)}})
    usual = rows[400 : 400 + ACCOUNTS]
    baseline = pa.table({**keys_, **{n: pa.array(usual[:, j], from_pandas=True) for j, n in enumerate(names)}})
    profile = pa.table(
        {
            "segment": [("smb", "mid", "enterprise")[i % 3] for i in range(ACCOUNTS)],
            "owner": [f"csm-{i % 5}" for i in range(ACCOUNTS)],
            "inactive": pa.array([i % 11 == 0 for i in range(ACCOUNTS)]),
        }
    )
    fresh = dict.fromkeys(bundle.components, day - timedelta(days=1))
    book = score_book(
        bundle, features, baseline=usual, profile=profile, data_as_of=fresh, model_version="7", scored_at=day
    )
    titles = [f"Company {i}" for i in range(ACCOUNTS)]
    titles[0], titles[4], titles[5], titles[9] = LONG, HOSTILE, None, "=1+1"
    worth = np.nan_to_num(matrix[:, names.index("mrr")], nan=50.0) * 12
    book = book.append_column("name", pa.array(titles))
    risk = score(bundle, matrix).probability * worth
    for name, values in (("yearly_value", worth), ("value_at_risk", risk)):
        book = book.set_column(book.column_names.index(name), name, pa.array(values))
    day_ = ScoredDay(book, features, baseline)
    found = assess(policy, bundle, day_, before, business_model="saas")
    renewals = [LAST + timedelta(days=3 * (i - 20)) if i % 4 else None for i in range(ACCOUNTS)]
    dated = [
        replace(row, score=replace(row.score, renewal_at=at)) for row, at in zip(found.rows, renewals, strict=True)
    ]
    return replace(found, rows=dated)


@pytest.fixture(scope="session")
def tokens(store):
    """A key of each role that a reviewer may have."""
    with store.write() as db:
        return {
            role: keys.create(db, name=f"a {role} key", role=role, at=FIRST)[1] for role in ("read", "score", "decide")
        }


@pytest.fixture(scope="session")
def make_app(store, bundle, policy):
    """Makes an application; each is to be started once."""
    models = ModelHolder(policy.bands)
    models.put(bundle, "7", at=LAST)
    facts = Facts(company="A company")
    return lambda: create_app(lambda: open_context(store, models, policy, facts, secret=SECRET), pages=routes())


@pytest.fixture(scope="session")
def address(make_app):
    """An application on a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(make_app(), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = monotonic() + 20
    while not server.started and monotonic() < until:
        sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def client(make_app):
    """Talks to an application without a browser; nobody is logged in yet."""
    with TestClient(make_app(), follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def reviewer(client, tokens):
    """The same with a session that may decide."""
    assert client.post("/login", data={"key": tokens["decide"]}).status_code == 303
    return client


@pytest.fixture(scope="module")
def chromium():
    """A browser. Its event loop runs in this thread until it is closed, so it ends with the module."""
    found = which("chromium") or which("chromium-browser")
    if found is None:
        pytest.skip("browser suite: there is no Chromium on the PATH; `make browser` installs it")
    playwright = pytest.importorskip("playwright.sync_api", reason="browser suite: playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
