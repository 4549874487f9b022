"""The retention report over HTTP: as it was kept, whole or a chapter."""

from datetime import datetime

from retention.blocks import Block, Chapter, Column, Report
from retention.figures import Figure
from serving.store import reports

AS_OF, NOW = datetime(2025, 1, 1), datetime(2025, 1, 2, 3)
BLOCK = Block(
    id="rates",
    title="Rates",
    systems=("R1",),
    says="What is counted.",
    columns=(Column("what", "What"), Column("share", "Share", "share", has_interval=True)),
    rows=(("a", Figure(0.5, 10, 0.24, 0.76)), ("b", Figure(None, 2))),
)
CHAPTERS = (
    Chapter(id="one", title="One", blocks=(BLOCK,), figures={"nrr": Figure(1.1, 9)}),
    Chapter(id="two", title="Two", blocks=(), not_measured=("NPS: no feedback",)),
)


def keep(served, as_of=AS_OF, company="Acme"):
    body = Report(as_of=as_of, company=company, chapters=CHAPTERS, definitions={"nrr": "abc"}).as_json()
    with served.context.store.write() as db:
        return reports.keep(db, reports.RETENTION, body, as_of=as_of, at=NOW)


def test_without_a_report_it_says_how_to_make_one(served):
    answer = served.ask("GET", "/v1/retention")
    assert answer.status_code == 404
    assert "keepwell measure --store" in answer.json()["detail"]


def test_the_newest_report_comes_as_it_was_kept(served):
    keep(served, datetime(2024, 1, 1), "Older")
    keep(served)
    told = served.ask("GET", "/v1/retention").json()
    assert told["company"] == "Acme"
    assert (told["as_of"], told["measured_at"]) == ("2025-01-01T00:00:00Z", "2025-01-02T03:00:00Z")
    assert [chapter["id"] for chapter in told["chapters"]] == ["one", "two"]
    assert told["chapters"][1]["not_measured"] == ["NPS: no feedback"]
    rows = told["chapters"][0]["blocks"][0]["rows"]
    assert rows[0] == {"what": "a", "share": {"value": 0.5, "n": 10, "low": 0.24, "high": 0.76, "confidence": "low"}}
    assert rows[1]["share"]["value"] is None
    assert told["figures"]["nrr"]["value"] == 1.1


def test_one_chapter_alone_or_a_word_that_there_is_none(served):
    keep(served)
    assert [c["id"] for c in served.ask("GET", "/v1/retention?chapter=two").json()["chapters"]] == ["two"]
    assert served.ask("GET", "/v1/retention?chapter=three").status_code == 404


def test_the_same_report_of_the_same_moment_is_kept_once(served):
    assert [keep(served), keep(served), keep(served, company="Other")] == [True, False, True]


def test_nobody_reads_it_without_a_key(served):
    keep(served)
    assert served.ask("GET", "/v1/retention", key=None).status_code == 401
