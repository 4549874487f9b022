"""Reversal signals: what is understood, and when one fires."""

from contextlib import suppress

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from retention.errors import RetentionError
from retention.metrics import METRICS
from retention.records.signals import Signal, read, tripped

LOCKED = {name: metric.digest for name, metric in METRICS.items()}


@pytest.mark.system("X9")
@pytest.mark.parametrize(
    ("text", "metric", "comparison", "bound", "times"),
    [
        ("grr < 93 % for 2 reports", "grr", "<", 0.93, 2),
        ("nps >= -5", "nps", ">=", -5.0, 1),
        ("value_at_risk > 80000.5 for 1 report", "value_at_risk", ">", 80000.5, 1),
        ("  logo_churn<=3%  ", "logo_churn", "<=", 0.03, 1),
    ],
)
def test_a_signal_is_a_metric_a_comparison_a_bound_and_how_often(text, metric, comparison, bound, times):
    found = read(text)
    assert (found.metric, found.comparison, found.bound, found.times) == (metric, comparison, bound, times)


@pytest.mark.parametrize(
    "text",
    [
        "", "grr", "grr < ", "grr = 3", "grr < 3 for 0 reports", "grr < 3 for two reports", "grr < nan", "grr < 1e9",
        "grr < 3 or nps < 2", "__import__('os') < 3", "grr.value < 3", "grr < 3 %%", "GRR < 3", "mood < 3",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(RetentionError, match=r"reversal signal|no metric"):
        read(text)


@drawn(st.text(max_size=60))
def test_no_text_does_more_than_be_read_or_refused(text):
    with suppress(RetentionError):
        assert isinstance(read(text), Signal)


@pytest.mark.system("X9", "X10")
@pytest.mark.parametrize(
    ("values", "fires"),
    [
        pytest.param([0.05], False, id="beyond the bound once, twice is asked"),
        pytest.param([0.05, 0.05], True, id="twice in a row"),
        pytest.param([0.05, 0.03, 0.05], False, id="twice, not in a row"),
        pytest.param([0.05, 0.05, 0.03], False, id="twice in a row, and well again"),
        pytest.param([0.05, None, 0.05], False, id="not measured in between"),
        pytest.param([0.04, 0.04], False, id="on the bound"),
        pytest.param([], False, id="no report since"),
    ],
)
def test_a_signal_fires_when_each_of_its_last_reports_is_beyond_the_bound(report, values, fires):
    reports = [report(month, logo_churn=value) for month, value in enumerate(values)]
    found = tripped([read("logo_churn > 4 % for 2 reports")], reports, LOCKED)
    assert bool(found) == fires


@pytest.mark.system("X17")
def test_a_report_by_another_definition_is_not_compared(report):
    other = [report(month, logo_churn=0.05, definitions={"logo_churn": "another"}) for month in (1, 2)]
    assert tripped([read("logo_churn > 4 % for 2 reports")], other, LOCKED) == []


def test_what_made_a_signal_fire_is_told(report):
    (found,) = tripped([read("nps < 20")], [report(nps=10.0)], LOCKED)
    assert found.text == "nps < 20: 10 on 2025-01-31"
