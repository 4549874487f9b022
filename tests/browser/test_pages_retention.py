"""The retention pages: the kept report, its numbers in full, its charts, and each block as a CSV file."""

import csv
from io import StringIO

import pytest

from serving.pages.measured import flat, shown


@pytest.fixture
def walker(chromium, address, tokens):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/login?next=/retention")
    page.get_by_label("API key").fill(tokens["read"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Retention").wait_for()
    yield page
    context.close()


def test_a_reviewer_walks_from_the_key_figures_to_a_chapter_and_an_account(walker, address):
    assert walker.locator("[data-figure=nrr]").inner_text() == "108.0 %"
    assert walker.locator("[data-figure=nps]").count() == 0, "what is not known is no tile"
    assert walker.locator("figure[data-chart=measured] canvas").count() == 3
    walker.get_by_role("link", name="The second chapter").click()
    walker.wait_for_url(f"{address}/retention/second")
    assert walker.get_by_text("15 further rows in the CSV file").is_visible()
    assert walker.get_by_text("NPS: map").is_visible()
    walker.get_by_role("link", name="A0005").click()
    walker.wait_for_url(f"{address}/accounts/A0005")


def test_a_chart_draws_the_numbers_of_its_table(walker):
    drawn = walker.evaluate(
        """() => [...document.querySelectorAll("figure[data-chart=measured]")].map((figure) => {
            const { data } = figure.chart;
            return [data.labels.length, data.datasets.map((one) => [one.label ?? "edge", one.data.at(-1)])];
        })"""
    )
    assert drawn[0] == [8, [["Share", 40], ["edge", 32], ["edge", pytest.approx(100 * 8 / 15)]]]
    assert drawn[1] == [3, [["red", 20], ["yellow", 30], ["green", 50]]]
    assert drawn[2] == [2, [["Share", None]]]


def test_a_block_is_exported_whole_and_without_formulas(reviewer):
    answer = reviewer.get("/retention/second/accounts.csv")
    lines = list(csv.DictReader(StringIO(answer.text)))
    assert (answer.headers["content-type"].partition(";")[0], len(lines)) == ("text/csv", 40)
    assert lines[3]["account_id"] == "A0003"
    assert lines[3]["worth"] == "3000.0"
    assert not any(line["note"].startswith("=") for line in lines)


def test_figures_are_exported_with_their_interval(reviewer):
    head, first, *_ = csv.reader(StringIO(reviewer.get("/retention/first/line.csv").text))
    assert head == ["month", "share_value", "share_low", "share_high", "share_n"]
    assert first == ["2025-01-01T00:00:00", "0.05", "0.04", str(1 / 15), "40"]


@pytest.mark.parametrize("path", ["/retention/third", "/retention/first/nothing.csv", "/retention/third/line.csv"])
def test_what_is_not_there_is_said(reviewer, path):
    assert reviewer.get(path).status_code == 404


def test_nobody_reads_it_without_logging_in(client):
    for path in ("/retention", "/retention/first", "/retention/first/line.csv"):
        assert client.get(path).headers["location"].startswith("/login")


COLUMN = {"name": "n", "title": "N", "unit": "count", "has_interval": False}
BLOCK = {
    "id": "b", "title": "B", "says": "s", "notes": [], "account": None, "chart": None,
    "columns": [COLUMN, {"name": "f", "title": "F", "unit": "share", "has_interval": True}],
}  # fmt: skip


def test_a_cell_says_interval_n_and_a_confidence_that_is_not_high():
    figure = {"value": 0.5, "n": 8, "low": 0.1, "high": 0.9, "confidence": "low"}
    ((_, cell),) = shown(BLOCK | {"rows": [{"n": 3, "f": figure}]}).rows
    assert (cell.text, cell.under) == ("50.0 %", "10.0 % to 90.0 % · n 8 · low confidence")
    assert flat(BLOCK | {"rows": [{"n": 3, "f": None}]})[1] == [3, None, None, None, None]
