"""The page of a training run: the numbers of the JSON, nothing from elsewhere, nothing unescaped."""

import re
from datetime import datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.config import load
from features.engine import open_engine
from serving.errors import ServingError
from training.report.page import render, write
from training.run import as_json, train

EVIL = "<script>alert(1)</script>"
CONFIG = """
[company]
name = "Acme & <b>Sons</b>"
[sources.usage]
path = "usage.parquet"
[churn]
kind = "inactivity"
horizon_days = 28
[population]
active_within_days = 28
"""


class Parts(HTMLParser):
    """Tags with their attributes, the visible words, and whether every tag is closed."""

    void = ("meta", "br", "img", "link", "input", "hr")

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def training(tmp_path_factory, quickly):
    """A hundred accounts that use the product on four days of ten until they tire of it."""
    folder = tmp_path_factory.mktemp("acme")
    rng = np.random.default_rng(0)
    used = []
    for account in range(100):
        first = int(rng.integers(0, 60))
        last = first + int(rng.exponential(260))
        days = [d for d in range(first, min(last, 420)) if rng.random() < (0.4 if d < last - 35 else 0.08)]
        used += [(f"a{account}", datetime(2024, 1, 1, 9) + timedelta(days=day)) for day in days]
    columns = {
        "account_id": [account for account, _ in used],
        "at": pa.array([at for _, at in used], pa.timestamp("us")),
        "event": [(EVIL, "log in")[i % 2] for i in range(len(used))],
    }
    pq.write_table(pa.table(columns), folder / "usage.parquet")
    (folder / "keepwell.toml").write_text(CONFIG, encoding="utf-8")
    settings = load(folder / "keepwell.toml")
    with open_engine(settings.home_dir) as engine, quickly():
        return train(settings, engine, lambda *_: None, leaks=False)


@pytest.fixture(scope="module")
def html(training):
    return render(training)


@pytest.fixture(scope="module")
def page(html):
    return Parts(html)


def words(page):
    return " ".join(" ".join(page.words).split())


def test_figures_are_those_of_the_json(training, page):
    told, text = as_json(training, None), words(page)
    for rival in (told["test"], *told["benchmarks"].values()):
        for name in ("auc", "log_loss", "brier"):
            found = rival[name]
            assert f"{found['value']:.3f} ({found['low']:.3f}-{found['high']:.3f})" in text
    for name, weight in told["health"]["weights"].items():
        assert f"{name} {100 * weight['value']:.1f} (" in text
    for check in told["health"]["checks"]:
        assert check["check"] in text
    for name in ("accounts", "snapshots", "churners", "churned_accounts", "censored"):
        assert f"{told['data'][name]:,}" in text
    for catch in told["capacity"]:
        assert f"{100 * catch['recall']:.1f} %" in text
    assert all(note in text for note in told["notes"])


def test_nothing_is_fetched_from_elsewhere(html, page):
    assert "http" not in html
    assert "@import" not in html
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/png;base64,"))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_words_of_the_company_are_escaped(html, page):
    assert EVIL not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "Acme &amp; &lt;b&gt;Sons&lt;/b&gt;" in html
    assert f"'{EVIL}' in the last 28 days" in words(page)


def test_links_within_the_page_lead_somewhere(page):
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    asked = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert asked <= ids
    assert len(ids) == sum("id" in attributes for _, attributes in page.tags)


def test_every_picture_has_words_for_those_who_cannot_see_it(page):
    figures = [attributes for tag, attributes in page.tags if tag == "figure"]
    assert len(figures) >= 8
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 30 for figure in figures)


def test_the_page_is_one_well_formed_document(page):
    names = [tag for tag, _ in page.tags]
    assert page.open == []
    assert names.count("h1") == 1
    assert "main" in names
    assert any(attributes.get("name") == "viewport" for tag, attributes in page.tags if tag == "meta")


def test_sections_come_in_the_order_of_a_reviewers_questions(page):
    order = ["what", "good", "calibration", "capacity", "health", "tiers", "drivers", "cohorts", "made", "card"]
    found = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert [name for name in found if name in order] == order


def test_the_page_is_written_where_asked(training, html, tmp_path):
    write(training, tmp_path / "deep" / "page.html")
    assert (tmp_path / "deep" / "page.html").read_text(encoding="utf-8") == html


def test_a_place_that_cannot_be_written_is_told(training, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServingError, match="choose another --out"):
        write(training, tmp_path / "file" / "page.html")
