"""What is printed: every number is there at 80 columns, and what should add up does."""

import re
from datetime import datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from features.check import Report, SourceReport
from features.guess import Column, Guess, SourceGuess
from features.sources import Broken
from serving.calibration import sigmoid
from serving.reasons import shared_points
from training.report import tables
from training.report.words import adding_up

NUMBER = re.compile(r"-?[\d,]+\.\d+")


def shown(renderable, width=80):
    console = Console(width=width, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def joined(text):
    """Printed words without the wrapping."""
    return " ".join(text.split())


def fig(value, off=0.012):
    return {"value": value, "low": value - off, "high": value + off}


def figures(auc):
    names = ("average_precision", "lift_at_10pct", "log_loss", "brier", "calibration_slope", "calibration_intercept")
    return {"auc": fig(auc), **{name: fig(auc + i / 100) for i, name in enumerate(names, 1)}}


@pytest.fixture
def told():
    return {
        "model_version": "7",
        "data": {
            "accounts": 1234,
            "snapshots": 5678,
            "churners": 210,
            "churned_accounts": 99,
            "involuntary": 12,
            "censored": 345,
            "quarantined": 1,
        },
        "test": {"n": 1000, "churners": 50, **figures(0.811)},
        "benchmarks": {
            name: figures(auc)
            for name, auc in {
                "base_rate": 0.5,
                "recency": 0.611,
                "hand_weights": 0.622,
                "logistic": 0.733,
                "plain_lightgbm": 0.744,
            }.items()
        },
        "health": {
            "auc": fig(0.801),
            "auc_unrestricted": fig(0.803),
            "auc_hand_weights": fig(0.622),
            "auc_all_components": fig(0.811),
            "components": ["usage", "support"],
            "weights": {"usage": fig(0.617), "support": fig(0.383)},
            "tiers": {name: {"share": fig(0.3), "churn_rate": fig(0.0456)} for name in ("green", "yellow", "red")},
            "checks": [
                {"check": "red churns", "value": 3.21, "passed": True},
                {"check": "churned were warned of", "value": None, "passed": None},
                {"check": "green is small", "value": 0.91, "passed": False},
            ],
        },
        "leaks": [
            {"check": "alone", "feature": None, "verdict": "clear", "figures": {}, "sentence": "nothing stands out"},
            {"check": "purity", "feature": "x", "verdict": "flagged", "figures": {}, "sentence": "x: [all] churn"},
        ],
        "capacity": [
            {"capacity": 100.0, "precision": 0.213, "recall": 0.426, "lift": 4.26, "value_caught": 9.0,
             "value_recall": 0.515}
        ],
        "groups": {"segment: [smb]": figures(0.777)},
        "inactivity": [
            {"segment": "whole book", "days": None, "accounts": 12, "return_rate_after_weeks": {"1": 0.71, "2": None}}
        ],
        "calibration": {
            "method": "component", "slopes": {"usage": 0.912}, "log_loss": {"component": fig(0.2)}, "harm": fig(-0.001)
        },
        "model": {"shape": {"num_leaves": 7}, "rounds": 100},
        "about": {
            "churn": "contract", "horizon_days": 30, "lead_days": 7, "trained_until": "2025-01-01",
            "test_from": "2025-03-01",
        },
        "notes": ["Only 50 churned snapshots in the test period: the intervals are wide."],
    }  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_evidence_prints_every_figure_with_its_interval(told, width):
    text = joined(shown(tables.evidence(told), width))
    for rival in (told["test"], *told["benchmarks"].values()):
        for found in (rival["auc"], rival["log_loss"]):
            assert f"{found['value']:.3f} ({found['low']:.3f}-{found['high']:.3f})" in text or (
                f"{found['value']:.3f}" in text and f"({found['low']:.3f}-{found['high']:.3f})" in text
            )
    expected = ("61.7", "(60.5-62.9)", "4.6", "3.21", "21.3 %", "42.6 %", "4.26", "51.5 %", "0.91", "0.777", "0.010")
    for number in (*expected, "1,234 accounts", "5,678 snapshots", "345", "1 source row quarantined", "version 7"):
        assert number in text


def test_the_evidence_says_pass_fail_and_cannot_tell(told):
    lines = shown(tables.evidence(told), 100).splitlines()
    said = {line.split("  ")[0]: line.rstrip().split("  ")[-1].strip() for line in lines if line.strip()}
    assert said["red churns"] == "pass"
    assert said["churned were warned of"] == "cannot tell"
    assert said["green is small"] == "fail"


def test_flagged_leaks_come_first_and_notes_are_told(told):
    text = joined(shown(tables.evidence(told), 100))
    assert text.index("x: [all] churn") < text.index("nothing stands out")
    assert told["notes"][0] in text


def test_unknown_figures_are_dashes(told):
    told["benchmarks"]["base_rate"]["calibration_slope"] = {"value": None, "low": None, "high": None}
    told["model_version"] = None
    text = shown(tables.evidence(told), 100)
    [line] = [line for line in text.splitlines() if line.startswith("base rate") and "0.500" not in line]
    assert " - " in line
    assert "Not registered." in text


def test_a_backtest_has_a_row_an_origin_and_one_for_all(told):
    origin = {"n": 321, "churners": 17, "auc": fig(0.699), "log_loss": fig(0.188), "health_auc": fig(0.688)}
    told["origins"] = [
        {"test_from": day, **origin, "weights": {"usage": fig(0.55)}} for day in ("2025-01-01", "2025-02-01")
    ]
    told["refused"] = ["2024-12-01: too little"]
    text = shown(tables.backtest(told))
    assert text.count("0.699") == 2
    assert [line for line in text.splitlines() if line.startswith("all together") and "0.811" in line]
    assert "2024-12-01: too little" in text
    assert "55" in text


@pytest.mark.parametrize(
    ("promote", "promoted", "said"),
    [
        pytest.param(True, None, "Promote: the gate lets the challenger through.", id="compared, better"),
        pytest.param(False, None, "Keep the champion.", id="compared, not better"),
        pytest.param(True, True, "Promoted: version 8 is champion now.", id="promoted"),
        pytest.param(False, True, "although the gate said no", id="forced"),
        pytest.param(False, False, "Keep the champion.", id="refused"),
    ],
)
def test_a_comparison_says_what_happened_and_why(promote, promoted, said):
    told = {"champion": None, "challenger": "8", "rows": 20, "promote": promote, "reasons": ["Because [so]."]}
    told |= {"figures": {"log_loss": fig(-0.02)}} | ({} if promoted is None else {"promoted": promoted})
    text = joined(shown(tables.comparison(told), 100))
    assert said in text
    assert "Because [so]." in text
    assert "-0.0200 (-0.0320 to -0.0080)" in text


def test_the_contract_report_counts_shows_and_says_where(tmp_path):
    broken = Broken(reason="at is not a time", count=3, example="at is not a time: [soon]")
    source = SourceReport(
        name="usage", place="/data/events.csv", grain="event", mapping={}, rows_read=1003, rows_good=1000,
        rows_quarantined=3, quarantined=(broken,), first_at="2025-01-01T00:00:00", last_at=None,
    )  # fmt: skip
    found = Report(
        ok=True, problems=(), warnings=("mrr is always 1",), sources=(source,), accounts=12,
        accounts_without_usage=None, segments={}, contradiction=None,
    )  # fmt: skip
    text = shown(tables.contract_report(found, Path("quarantine")))
    for words in ("1,003", "1,000", "at is not a time: [soon]", "2025-01-01", "mrr is always 1", "12 accounts"):
        assert words in text
    assert "The rows left out are in quarantine" in text


def test_a_refused_report_says_so():
    found = Report(
        ok=False, problems=("usage: all rows are broken",), warnings=(), sources=(), accounts=0,
        accounts_without_usage=None, segments={}, contradiction=None,
    )  # fmt: skip
    text = joined(shown(tables.contract_report(found, Path("q"))))
    assert "usage: all rows are broken" in text
    assert "Refused: 1 problem" in text


def _column(**changes):
    return Column(**({"name": "at", "value": "x", "why": "looks so"} | changes))


def test_guesses_are_told_with_their_reason():
    columns = (_column(name="at", value='"ts"', why="by its name"), _column(name="mrr", sure=False))
    found = Guess(sources=(SourceGuess(source="usage", path="events.csv", columns=columns),), unused=("notes.csv",))
    text = shown(tables.guessed(found))
    for words in ("events.csv -> usage", '"ts"', "by its name", "unsure", "notes.csv: nothing was made of it"):
        assert words in text


def test_the_catalogue_lists_every_feature_under_its_component():
    row = {"definition": "How [often]", "unit": "days", "more_is": "safer", "days": 28}
    rows = [row | {"name": "a_28d", "component": "usage"}, row | {"name": "b", "component": "support", "days": None}]
    text = shown(tables.catalogue(rows))
    for words in (
        "usage: 1 feature",
        "a_28d",
        "How [often]",
        "28 days",
        "support: 1 feature",
        "all known",
        "2 features",
    ):
        assert words in text


def account(log_odds=(0.9, -0.4, 0.037), intercept=-3.0, **changes):
    """A row of the book with one driver for each contribution."""
    total = intercept + sum(log_odds)
    drivers = [{"component": "usage", "signal": f"s{i}", "log_odds": x} for i, x in enumerate(log_odds)]
    row = {
        "account_id": "a[1]", "as_of": datetime(2025, 1, 1), "horizon_days": 30, "status": "ok",
        "churn_probability": float(sigmoid(total)), "churn_probability_low": 0.01, "churn_probability_high": 0.3,
        "intercept": intercept, "log_odds": total, "health_score": 73.75, "tier": "green", "segment": None,
        "yearly_value": 1000.0, "value_at_risk": 1000 * float(sigmoid(total)),
        "usage_score": 80.0, "usage_weight": 0.5, "usage_points": 40.0, "usage_log_odds": 0.1, "usage_coverage": 0.97,
        "usage_data_as_of": datetime(2024, 12, 31),
        "support_score": 67.5, "support_weight": 0.5, "support_points": 33.75, "support_log_odds": 0.1,
        "support_coverage": 1.0, "support_data_as_of": None,
        "drivers": drivers, "reason_1": "Logins: 2", "reason_2": None, "reason_3": None,
        "reasons": [{"component": "usage", "signal": "s0", "text": "Logins: 2; low", "contribution": 0.9}],
    }  # fmt: skip
    return row | changes


def printed_column(text, start, end, position):
    """A column of numbers of the lines from the one that begins with `start` to the one that begins with `end`."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(start))
    last = next(i for i, line in enumerate(lines) if line.startswith(end))
    rows = [re.findall(r"[+-]?[\d,]+\.\d\d\b", line[30:]) for line in lines[first : last + 1]]
    return [round(100 * float(row[position])) for row in rows if row]


CONTRIBUTIONS = st.lists(st.floats(-3, 3).map(lambda x: round(x, 5)), min_size=1, max_size=25)


@given(CONTRIBUTIONS, st.floats(-6, 2))
def test_the_waterfall_adds_up_as_printed(contributions, intercept):
    row = account(contributions, intercept)
    text = shown(tables.waterfall(row), 100)
    for column, total in ((0, row["log_odds"]), (1, 100 * row["churn_probability"])):
        *parts, whole = printed_column(text, "base", "sum:", column)
        assert sum(parts) == whole == pytest.approx(100 * total, abs=0.51)


def test_many_signals_are_pooled():
    text = shown(tables.waterfall(account([1 / (i + 1) for i in range(15)])), 100)
    assert "all other signals (5)" in text
    assert "usage: s9" in text
    assert "usage: s10" not in text


def test_components_points_sum_to_health():
    lines = shown(tables.waterfall(account()), 100).splitlines()
    points = {
        line.split()[0]: NUMBER.findall(line)[-1]
        for line in lines
        if line.startswith(("usage  ", "support  ", "health "))
    }
    assert points == {"usage": "40.00", "support": "33.75", "health": "73.75"}


def test_the_waterfall_heads_with_what_a_reviewer_asks():
    text = joined(shown(tables.waterfall(account())))
    for words in (
        "a[1] on 2025-01-01",
        "within 30 days: 7.8 % (1.0-30.0 %)",
        "73.75 of 100, tier green",
        "of 1,000 a year",
    ):
        assert words in text
    assert "Raises the risk: Logins: 2; low" in text


def test_a_cold_start_says_that_nothing_was_learned():
    unknown = dict.fromkeys(("churn_probability", "churn_probability_low", "churn_probability_high", "intercept"))
    unknown |= dict.fromkeys(("log_odds", "value_at_risk"))
    row = account(()) | unknown | {"status": "cold_start", "reasons": []}
    text = joined(shown(tables.waterfall(row)))
    assert "no model was learned yet" in text
    assert "73.75" in text


@pytest.fixture
def book():
    rows = [account(account_id=f"a{i}", tier=tier, value_at_risk=float(10 * i))
            for i, tier in enumerate(("green", "red", "red", None), 1)]  # fmt: skip
    rows[3] |= {"churn_probability": None, "value_at_risk": None, "health_score": None}
    return pa.Table.from_pylist(rows)


def test_the_book_by_tier_sums_to_all(book):
    rows = [line.split() for line in shown(tables.tiers_of_book(book)).splitlines()]
    counts = {row[0]: int(row[1]) for row in rows if len(row) > 2 and row[1].isdigit()}
    assert counts == {"green": 1, "red": 2, "-": 1, "all": 4}


def test_top_accounts_are_those_with_most_value_at_risk(book):
    text = shown(tables.top_accounts(book, 2))
    assert text.index("a3") < text.index("a2")
    assert "a1" not in text
    assert "- Logins: 2" in text
    assert "The 2 accounts with most value at risk" in text


def test_without_money_top_accounts_are_the_likeliest_to_leave(book):
    poor = book.set_column(book.column_names.index("value_at_risk"), "value_at_risk", pa.nulls(len(book), pa.float64()))
    assert "the highest churn probability" in shown(tables.top_accounts(poor, 2))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.integers(0, 4))
def test_rounded_parts_add_up_and_stay_close(parts, digits):
    rounded = adding_up(parts, digits)
    unit = 10**-digits
    assert round(sum(rounded) / unit) == pytest.approx(np.sum(parts) / unit, abs=0.5001)
    assert np.abs(np.array(rounded) - parts).max() <= unit * 1.0001


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=10), st.floats(-5, 5))
def test_points_of_probability_lead_from_start_to_end(log_odds, base):
    start, end = float(sigmoid(base)), float(sigmoid(base + np.sum(log_odds)))
    points = shared_points(log_odds, start, end)
    assert sum(points) == pytest.approx(100 * (end - start), abs=1e-6)
    assert all(p * x >= 0 for p, x in zip(points, log_odds, strict=True))
