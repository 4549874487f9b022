"""An account's way over HTTP: what the newest retention report says of it."""

from datetime import datetime

import pytest

from retention.blocks import Block, Chapter, Column, Report
from serving import measuring

AS_OF, NOW = datetime(2026, 3, 1), datetime(2026, 3, 1, 4)
WHO, STAGE, NEXT = Column("account_id", "Account"), Column("stage", "Stage"), Column("next_step", "Next step")
STUCK = Column("days", "Days in it", "days")


def block(id_, columns, *rows):
    return Block(id=id_, title=id_, systems=(), says="", columns=columns, rows=rows, account="account_id")


@pytest.fixture
def told(served):
    """A report about two customers and one who left; nobody else."""
    way = (
        block("stuck", (WHO, STUCK), ("acme-05", 40), ("acme-07", 9)),
        block("positions", (WHO, STAGE, NEXT), ("acme-05", "onboarding", "Integration"), ("acme-06", "mature", None)),
    )
    other = Chapter(id="reasons", title="Why", blocks=(block("postmortems", (WHO,), ("acme-05",), ("acme-08",)),))
    report = Report(as_of=AS_OF, company="Acme", chapters=(Chapter(id="journey", title="Way", blocks=way), other))
    with served.context.store.write() as db:
        measuring.keep(db, report, at=NOW)
    return served


def ask(served, account, **rest):
    return served.ask("GET", f"/v1/accounts/{account}/journey", **rest)


@pytest.mark.system("S1", "S3")
def test_an_account_has_its_stage_and_its_rows_of_the_journey_alone(told):
    answer = ask(told, "acme-05", key="read").json()
    assert (answer["external_id"], answer["stage"]) == ("acme-05", "onboarding")
    assert (answer["as_of"], answer["measured_at"]) == ("2026-03-01T00:00:00Z", "2026-03-01T04:00:00Z")
    assert answer["blocks"] == {
        "stuck": [{"account_id": "acme-05", "days": 40}],
        "positions": [{"account_id": "acme-05", "stage": "onboarding", "next_step": "Integration"}],
    }


def test_who_was_no_customer_at_that_moment_has_no_stage(told):
    assert ask(told, "acme-07").json()["stage"] is None


@pytest.mark.parametrize("account", ["acme-09", "acme-08", "nobody"])
def test_who_is_not_on_the_way_in_the_report_is_not_found(told, account):
    answer = ask(told, account)
    assert answer.status_code == 404
    assert "keepwell measure --store" in answer.json()["detail"]


def test_before_anything_is_measured_nobody_is_found(served):
    assert ask(served, "acme-05").status_code == 404


def test_nobody_reads_it_without_a_key(told):
    assert ask(told, "acme-05", key=None).status_code == 401
