"""The pages of decisions: a list, a record that can be read by keyboard and on a telephone, and reviews by a form."""

import tomllib
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from retention.metrics import METRICS
from retention.records import document, life
from retention.records.signals import Measurement
from serving.store import kept_records

EXAMPLE = Path(__file__).parents[2] / "examples" / "saas" / "decision.toml"


START, MONTH = datetime(2026, 1, 5), timedelta(days=28)
DIGESTS = {name: metric.digest for name, metric in METRICS.items()}


def report(month, grr):
    values = {"grr": grr, "logo_churn": 0.2, "nps": 9.0, "expansion_revenue": 5e3}
    figures = {name: {"value": v, "n": 400, "low": 0.9 * v, "high": 1.1 * v} for name, v in values.items()}
    return Measurement(as_of=START + month * MONTH, figures=figures, definitions=DIGESTS)


@pytest.fixture(scope="module")
def recorded(store):
    """The example's decision, re-opened by two reports."""
    given = document.read(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")), "the example")
    made = life.create(given, report(0, 0.80), START)
    reopened = life.watch(made.body, made.state, [report(1, 0.77), report(2, 0.76)], START + 2 * MONTH)
    with store.write() as db:
        for month, step in ((0, made), (2, reopened)):
            kept_records.add(db, given.id, step, at=START + month * MONTH, by="Ann")
    return given.id


def test_the_list_and_the_record_say_that_it_was_reopened(reviewer, recorded):
    listed = reviewer.get("/records").text
    assert f'href="/records/{recorded}"' in listed
    assert "Re-opened" in listed
    page = reviewer.get(f"/records/{recorded}").text
    assert "Re-opened because grr &lt; 78 % for 2 reports" in page
    assert METRICS["nps"].digest in page
    told = reviewer.get(f"/records/{recorded}/markdown")
    assert told.headers["content-disposition"] == 'attachment; filename="success-calls.md"'
    assert told.text.startswith("# Weekly success calls")
    assert reviewer.get("/records/none").status_code == 404


def test_a_review_is_sent_by_the_form(reviewer, recorded, store):
    page = reviewer.get(f"/records/{recorded}").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    there = f"/records/{recorded}/reviews"
    refused = reviewer.post(there, data={"csrf": csrf, "found": "initial confirmed", "note": " "})
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert reviewer.post(there, data={"found": "initial confirmed", "note": "x"}).status_code == 403
    sent = reviewer.post(there, data={"csrf": csrf, "found": "initial confirmed", "note": "<b>all</b> right"})
    assert sent.status_code == 303
    page = reviewer.get(sent.headers["location"].partition("#")[0]).text
    assert "The initial review is on record" in page
    assert "&lt;b&gt;all&lt;/b&gt; right" in page
    with store.read() as db:
        assert kept_records.versions(db, recorded)[-1].event == "reviewed"


def test_who_may_only_read_sees_no_form(client, tokens, recorded):
    client.post("/login", data={"key": tokens["read"]})
    assert "<textarea" not in client.get(f"/records/{recorded}").text


@contextmanager
def logged_in(chromium, address, token, width, scheme="light"):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("input[name=key]", token)
    page.click("button.main")
    yield page
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(chromium, address, tokens, recorded, width):
    with logged_in(chromium, address, tokens["decide"], width) as page:
        for path in ("/records", f"/records/{recorded}"):
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_break_no_accessibility_rule(chromium, address, tokens, recorded, scheme):
    with logged_in(chromium, address, tokens["decide"], 1280, scheme) as page:
        for path in ("/records", f"/records/{recorded}"):
            page.goto(address + path)
            page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
            rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
            told = Axe().run(page, options=rules).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in told] == []


def test_a_review_is_recorded_by_keyboard_alone(chromium, address, tokens, recorded):
    with logged_in(chromium, address, tokens["decide"], 1280) as page:
        page.goto(f"{address}/records/{recorded}")
        page.focus("#found")
        page.keyboard.type("Operating: holds")
        page.keyboard.press("Tab")
        page.keyboard.type("Looked at the newest report")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**#reviews")
        assert "The operating review is on record" in page.inner_text("main")
