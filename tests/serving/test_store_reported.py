"""Of each account the store keeps what the newest report says of it, and of no other report."""

from datetime import datetime

from retention.blocks import Block, Chapter, Column, Report
from serving import measuring
from serving.store import reported, reports

JUNE, JULY = datetime(2025, 6, 1), datetime(2025, 7, 1)
LATER = datetime(2025, 7, 2, 3)
WHO, WHAT = Column("who", "Account"), Column("what", "What")


def block(id_, *rows, account="who"):
    return Block(id=id_, title=id_, systems=(), says="", columns=(WHO, WHAT), rows=rows, account=account)


def report(as_of, *blocks):
    return Report(as_of=as_of, company="Acme", chapters=(Chapter(id="way", title="The way", blocks=blocks),))


def kept(store, *measured):
    with store.write() as db:
        for one in measured:
            measuring.keep(db, one, at=LATER)


def said(store, account):
    with store.read() as db:
        found = reported.of(db, account)
    return found and (found.as_of, found.measured_at, found.chapters)


def test_an_account_has_its_rows_of_every_block_that_names_it_in_their_order(store):
    steps = block("steps", ("a", 2), ("b", float("nan")), ("a", 1))
    kept(store, report(JUNE, steps, block("dates", ("a", JULY)), block("sums", ("a", 9), account=None)))
    rows = {
        "steps": [{"who": "a", "what": 2}, {"who": "a", "what": 1}],
        "dates": [{"who": "a", "what": "2025-07-01T00:00:00"}],
    }
    assert said(store, "a") == (JUNE, LATER, {"way": rows})
    assert said(store, "b") == (JUNE, LATER, {"way": {"steps": [{"who": "b", "what": None}]}})
    assert said(store, "c") is None


def test_rows_are_those_of_the_latest_moment_whatever_is_measured_afterwards(store):
    june, july = report(JUNE, block("steps", ("a", 1), ("gone", 1))), report(JULY, block("steps", ("a", 2)))
    kept(store, june, july, june)
    assert said(store, "a")[0] == JULY
    assert said(store, "gone") is None


def test_a_report_that_was_kept_before_the_rows_were_gives_them_when_it_is_measured_again(store):
    june = report(JUNE, block("steps", ("a", 1)))
    with store.write() as db:
        reports.keep(db, reports.RETENTION, june.as_json(), as_of=JUNE, at=JUNE)
    assert said(store, "a") is None
    kept(store, june)
    assert said(store, "a")[0] == JUNE
