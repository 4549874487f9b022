"""A report holds every metric once, with its definition, for decision records to be held against."""

from datetime import datetime

import pytest

from retention.blocks import Chapter, Report
from retention.errors import RetentionError
from retention.figures import Figure

GRR, NRR = Figure(0.95, 200, 0.93, 0.97), Figure(1.02, 200)


def chapter(id_: str, **figures: Figure) -> Chapter:
    return Chapter(id=id_, title=id_, blocks=(), figures=figures)


def report(*chapters: Chapter) -> Report:
    return Report(as_of=datetime(2025, 1, 1), company="Acme", chapters=chapters)


def test_figures_of_all_chapters_stand_in_the_report():
    told = report(chapter("ledger", grr=GRR), chapter("effects", nrr=NRR))
    assert told.figures == {"grr": GRR, "nrr": NRR}
    assert told.as_json()["figures"]["grr"] == {
        "value": 0.95,
        "n": 200,
        "low": 0.93,
        "high": 0.97,
        "confidence": "high",
    }


def test_a_metric_that_is_not_defined_is_refused():
    with pytest.raises(RetentionError, match="no metric 'gross_churn'"):
        report(chapter("ledger", gross_churn=GRR))


def test_a_metric_of_two_chapters_is_refused():
    with pytest.raises(RetentionError, match="grr is measured by chapters ledger and health"):
        report(chapter("ledger", grr=GRR), chapter("health", grr=NRR))
