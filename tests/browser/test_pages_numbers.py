"""The pages show the stored numbers: every one in full behind what is rounded, and the rounded ones add up."""

import html
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from math import exp
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from retention import house
from serving.api import Limits, ModelHolder, create_app, open_context
from serving.book import ScoredDay, score_book, write
from serving.holding import Holding
from serving.pages import routes
from serving.pages.words import MINUS, clipped
from serving.run import keep_scored
from serving.store import accounts, keys, open_store
from serving.store.runs import NewRun

FLAT = (
    *("health_score", "churn_probability", "churn_probability_low", "churn_probability_high", "value_at_risk"),
    *("yearly_value", "intercept", "log_odds"),
)


class Numbers(HTMLParser):
    """All `data` elements of a page: their attributes, and the text that is read."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "data":
            self.found.append(dict(attrs) | {"text": ""})
            self._open = True

    def handle_endtag(self, tag):
        self._open = self._open and tag != "data"

    def handle_data(self, data):
        if self._open:
            self.found[-1]["text"] += data

    def by(self, attribute):
        return {one[attribute]: one for one in self.found if attribute in one}


def read(value):
    return None if value == "" else float(value)


def said(text):
    return float(text.replace(MINUS, "-").replace("+", "").replace(",", ""))


@pytest.fixture
def stored(store):
    with store.read() as db:
        page = accounts.page(db, limit=200)
        return accounts.many(db, [score.account_id for score in page.accounts])


def shown(reviewer, account_id):
    answer = reviewer.get(f"/accounts/{quote(account_id, safe='')}")
    assert answer.status_code == 200
    return Numbers(answer.text)


@pytest.fixture(scope="module")
def thousand(bundle, rows, policy, tmp_path_factory):
    """A book of 1,000 accounts as `keepwell score --out --store` leaves it: its file, and a client of its service."""
    learned, folder = replace(bundle, tiers=policy.bands), tmp_path_factory.mktemp("thousand")
    ids, day = [f"T{i:04d}" for i in range(1000)], datetime(2026, 2, 9)
    values = {spec.name: pa.array(rows[:1000, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
    features = pa.table({"account_id": ids, "snapshot_at": pa.array([day] * 1000, pa.timestamp("us")), **values})
    profile = pa.table({"segment": ["smb"] * 1000, "owner": ["csm"] * 1000, "inactive": [False] * 1000})
    fresh = dict.fromkeys(learned.components, day)
    book = score_book(
        learned, features, baseline=rows[:1000], profile=profile, data_as_of=fresh, model_version="7", scored_at=day
    )
    write(book, folder / "book.parquet")
    store, models = open_store(f"sqlite:///{folder / 'store.db'}"), ModelHolder(policy.bands)
    run = NewRun(as_of=day, model_version="7", policy_digest=policy.digest, scored_at=day)
    nobody = Holding(house.load().programme.model_copy(update={"holdout_share": 0.0}), "00" * 16, {})
    told = {"business_model": "saas", "drawing": nobody, "targets": {}}
    keep_scored(store, policy, learned, ScoredDay(book, features, features), run, **told)
    models.put(learned, "7", at=day)
    with store.write() as db:
        _, token = keys.create(db, name="reader", role="read", at=day)
    limits = Limits(per_second=100_000, burst=100_000)
    app = create_app(lambda: open_context(store, models, policy, secret=b"s" * 32, limits=limits), pages=routes())
    with TestClient(app, follow_redirects=False) as client:
        assert client.post("/login", data={"key": token}).status_code == 303
        yield pq.read_table(folder / "book.parquet").to_pylist(), client
    store.close()


def test_file_api_and_page_agree_on_a_thousand_accounts_and_add_up(thousand):
    book, client = thousand
    assert len(book) == 1000
    for row in book:
        name = row["account_id"]
        page, told = shown(client, name), client.get(f"/v1/accounts/{name}/explanation").json()
        fields = page.by("data-field")
        assert {n: read(fields[n]["value"]) for n in FLAT} == {n: row[n] for n in FLAT}
        answer = client.get(f"/v1/accounts/{name}").json()["account"]
        assert (answer["churn_probability"], answer["health_score"]) == (row["churn_probability"], row["health_score"])
        assert (told["intercept"], told["log_odds"]) == (row["intercept"], row["log_odds"])
        moved = {(d["component"], d["signal"]): d["log_odds"] for d in row["drivers"]}
        assert {(d["component"], d["signal"]): d["log_odds"] for d in told["drivers"]} == moved
        drivers = page.by("data-driver")
        assert {tuple(key.split("/", 1)): read(one["value"]) for key, one in drivers.items()} == moved
        log_odds = row["intercept"] + sum(moved.values())
        assert log_odds == pytest.approx(row["log_odds"], abs=1e-9)
        assert 1 / (1 + exp(-log_odds)) == pytest.approx(row["churn_probability"], abs=1e-12)
        points = [row[f"{c}_points"] for c in ("usage", "feedback", "support") if row[f"{c}_points"] is not None]
        assert sum(points) == pytest.approx(row["health_score"], abs=1e-9)


def test_every_account_page_shows_its_stored_row(reviewer, stored):
    """Of 120 accounts: scalars, components, drivers and reasons, to the last bit."""
    for account_id, row in stored.items():
        numbers = shown(reviewer, account_id)
        fields = numbers.by("data-field")
        assert {n: read(fields[n]["value"]) for n in FLAT} == {n: getattr(row.score, n) for n in FLAT}, account_id
        for name, part in row.detail["components"].items():
            for what in ("score", "weight", "points"):
                if part.get(what) is not None:
                    assert read(fields[f"{name}_{what}"]["value"]) == part[what], (account_id, name, what)
        drivers = {f"{d['component']}/{d['signal']}": d["log_odds"] for d in row.detail["drivers"]}
        assert {name: read(one["value"]) for name, one in numbers.by("data-driver").items()} == drivers
        reasons = {reason["feature"]: reason["contribution_pp"] for reason in row.detail["reasons"]}
        assert {name: read(one["value"]) for name, one in numbers.by("data-feature").items()} == reasons


def test_drivers_and_base_are_the_log_odds_of_the_probability(reviewer, stored):
    for account_id in stored:
        numbers = shown(reviewer, account_id)
        fields = numbers.by("data-field")
        told = sum(read(one["value"]) for one in numbers.by("data-driver").values())
        log_odds = read(fields["intercept"]["value"]) + told
        assert log_odds == pytest.approx(read(fields["log_odds"]["value"]), abs=1e-9)
        assert 1 / (1 + exp(-log_odds)) == pytest.approx(read(fields["churn_probability"]["value"]), abs=1e-9)


def test_what_is_read_adds_up(reviewer, stored):
    """Points to health, and the waterfall's base and steps to the probability, as rounded."""
    for account_id, row in stored.items():
        numbers = shown(reviewer, account_id)
        fields = numbers.by("data-field")
        points = [said(fields[f"{c}_points"]["text"]) for c in row.detail["components"] if f"{c}_points" in fields]
        assert sum(points) == pytest.approx(said(fields["health_score"]["text"]), abs=1e-6), account_id
        steps = [one for one in numbers.found if "data-step" in one]
        total = said(fields["base"]["text"]) + sum(said(one["text"]) for one in steps)
        assert total == pytest.approx(said(fields["sum"]["text"]), abs=1e-6), account_id
        assert said(fields["churn_probability"]["text"].removesuffix(" %")) == said(fields["sum"]["text"])


def test_the_list_and_the_api_show_the_same_numbers(reviewer, stored):
    page = Numbers(reviewer.get("/?limit=200").text).found
    names = ("health_score", "churn_probability", "value_at_risk")
    lists = {name: [one["value"] for one in page if one.get("data-field") == name] for name in names}
    listed = reviewer.get("/v1/accounts?limit=200").json()["accounts"]
    assert [read(x) for x in lists["health_score"]] == [one["health_score"] for one in listed]
    assert [read(x) for x in lists["churn_probability"]] == [one["churn_probability"] for one in listed]
    assert [read(x) for x in lists["value_at_risk"][1:]] == [one["at_risk_value"] for one in listed], "first: the total"
    assert read(lists["value_at_risk"][0]) == pytest.approx(sum(one["at_risk_value"] for one in listed))


@pytest.mark.parametrize(
    "query",
    ["renewal_within_days=30", "tier=red&sort=health", "risk_level=high", "segment=mid&owner=csm-1", "q=COMPANY+11"],
)
def test_filters_leave_the_same_accounts_as_the_api(reviewer, query):
    page = re.findall(r'<tr data-account="([^"]+)"', reviewer.get(f"/?{query}&limit=200").text)
    listed = [one["external_id"] for one in reviewer.get(f"/v1/accounts?{query}&limit=200").json()["accounts"]]
    assert [html.unescape(found) for found in page] == [clipped(account_id) for account_id in listed]
    assert 0 < len(listed) < 120


def test_pages_of_the_list_show_every_account_once(reviewer):
    seen, address = [], "/?limit=50"
    while address:
        text = reviewer.get(address).text
        seen += re.findall(r'<tr data-account="([^"]+)"', text)
        after = re.search(r'href="([^"]+)" rel="next"', text)
        address = html.unescape(after[1]) if after else None
    assert (len(seen), len(set(seen))) == (120, 120)
