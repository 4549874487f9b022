"""Pictures: they can be read, they show the numbers they were given, and they hold no address."""

import re
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from matplotlib import pyplot as plt

from serving.errors import ServingError
from serving.tiers import TIERS
from training.intervals import Figure
from training.metrics import capture_at
from training.report import charts, dated_charts, pictures

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def row():
    drivers = [("usage", "activity", 0.9), ("usage", "event: <b>=$x$ & co", -0.4), ("support", "volume", 0.1)]
    return {
        "account_id": "acme-001",
        "as_of": datetime(2025, 1, 1),
        "horizon_days": 30,
        "intercept": -3.0,
        "log_odds": -2.4,
        "churn_probability": 0.083,
        "health_score": 42.5,
        "tier": "red",
        "drivers": [{"component": c, "signal": s, "log_odds": x} for c, s, x in drivers],
        "reasons": [{"component": "usage", "signal": "activity", "text": "Days of use: 3 days; low"}],
        "usage_points": 42.5,
    }


@pytest.fixture
def rows():
    """Outcomes that follow their probability."""
    rng = np.random.default_rng(0)
    probability = rng.beta(1, 20, 2000)
    return rng.random(2000) < probability, probability


def words(svg):
    """Everything that is written in a picture."""
    return " ".join("".join(text.itertext()) for text in parsed(svg).iter() if text.tag.endswith("text"))


def parsed(svg):
    return ElementTree.fromstring(svg.replace("xlink:href", "href"))


def test_the_waterfall_as_svg_says_who_how_likely_and_why(row, tmp_path):
    pictures.waterfall(row, tmp_path / "new" / "why.svg")
    found = words((tmp_path / "new" / "why.svg").read_text(encoding="utf-8"))
    for said in ("acme-001: 8.3 % churn probability within 30 days; health 42.5, red", "Days of use: 3 days"):
        assert said in found
    for said in ("base -3.00, this account -2.40", "+0.9", "0.4", "+0.1", "event: <b>:$x$ & co"):
        assert said in found
    assert "low" not in found


def test_the_waterfall_as_png_is_one(row, tmp_path):
    pictures.waterfall(row, tmp_path / "why.png")
    assert (tmp_path / "why.png").read_bytes().startswith(PNG)


def test_the_same_row_is_drawn_the_same(row, tmp_path):
    for name in ("a.svg", "b.svg"):
        pictures.waterfall(row, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_cold_start_shows_points_of_health(row, tmp_path):
    pictures.waterfall(row | {"drivers": []}, tmp_path / "why.svg")
    assert "health 42.5, no model learned yet" in words((tmp_path / "why.svg").read_text(encoding="utf-8"))


def test_another_kind_of_file_is_refused(row, tmp_path):
    with pytest.raises(ServingError, match=r"\.svg or \.png"):
        pictures.waterfall(row, tmp_path / "why.gif")


def test_drawing_leaves_the_caller_alone(row, tmp_path):
    np.random.seed(1)
    before, backend = np.random.get_state()[1].copy(), plt.get_backend()
    pictures.waterfall(row, tmp_path / "why.svg")
    assert (np.random.get_state()[1] == before).all()
    assert plt.get_backend() == backend
    assert plt.get_fignums() == []


def test_an_unknown_account_is_answered_with_near_names():
    book = pa.table({"account_id": ["acme-001", "beta-1"], "as_of": [datetime(2025, 1, 1)] * 2})
    assert pictures.row_of(book, "beta-1")["account_id"] == "beta-1"
    with pytest.raises(ServingError, match=r"2 accounts of the book of 2025-01-01; did you mean acme-001\?"):
        pictures.row_of(book, "acme-01")


def everything(rows):
    churned, probability = rows
    rng = np.random.default_rng(1)
    weights = {"usage": Figure(0.62, 0.5, 0.7), "commercial": Figure(0.38, 0.3, 0.5)}
    rates = {name: {"share": Figure(0.3, 0.2, 0.4), "churn_rate": Figure(r, r / 2, 2 * r)}
             for name, r in (("green", 0.02), ("yellow", 0.03), ("red", 0.1))}  # fmt: skip
    months = np.arange(len(churned)) % 3
    days = np.array(["2025-01-01", "2025-02-01"], dtype="datetime64[us]")
    learned, tested = datetime(2024, 1, 1), datetime(2025, 1, 1)
    periods = [("learned from", learned, tested), ("tested", tested, datetime(2025, 2, 1))]
    return {
        "calibration": charts.calibration(churned, probability),
        "gain": charts.gain(churned, probability, (0.05, 0.1)),
        "weights": charts.weights(weights),
        "tiers": charts.tiers(rates, 0.05),
        "health": charts.health_by_fate(100 * (1 - probability), churned, TIERS),
        "months": dated_charts.cohorts(["m1", "m2", "m3"], months, churned, probability, "month", 2),
        "timeline": dated_charts.timeline(periods, days),
        "drivers": pictures.beeswarm(rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), ["a < b", "c", "d = $e$"]),
    }


def test_every_picture_is_an_svg_without_an_address_or_a_shared_name(rows):
    drawn = everything(rows)
    ids = [name for svg in drawn.values() for name in re.findall(r' id="([^"]+)"', svg)]
    for svg in drawn.values():
        assert parsed(svg).tag == "svg"
        assert "http" not in svg
    assert len(ids) == len(set(ids))
    for svg in drawn.values():
        pointed = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
        assert pointed <= set(re.findall(r' id="([^"]+)"', svg))


def test_titles_say_what_is_seen(rows):
    drawn = everything(rows)
    churned, probability = rows
    lift = capture_at(churned, probability, [200])[0].lift
    for name, said in {
        "gain": f"The riskiest tenth churns {lift:.1f} times as often as everyone",
        "weights": "Usage carries 62 % of the health score",
        "tiers": "Red churns 5.0 times as often as green",
    }.items():
        assert said in words(drawn[name])


def test_cohorts_are_judged_in_the_test_period_alone():
    group, churned = np.repeat([0, 1, 2], 100), np.tile(np.arange(100) < 10, 3)
    predicted = np.repeat([np.nan, 0.1, 0.9], 100)
    drawn = dated_charts.cohorts(["m1", "m2", "m3"], group, churned, predicted, "month", since=1)
    assert "In 1 of 2 test groups the prediction lies within the observed interval" in words(drawn)


def test_gain_shows_what_a_capacity_catches(rows):
    churned, probability = rows
    caught = capture_at(churned, probability, [100])[0].recall
    assert f"{100 * caught:.0f} %" in words(charts.gain(churned, probability, (0.05,)))


def test_calibration_is_judged_by_its_intervals(rows):
    churned, probability = rows
    assert "In 10 of 10 bins" in words(charts.calibration(churned, probability))
    assert "In 0 of 10 bins" in words(charts.calibration(churned, np.sqrt(probability)))


def test_features_that_moved_nothing_make_no_picture():
    assert pictures.beeswarm(np.zeros((5, 2)), np.ones((5, 2)), ["a", "b"]) == ""


def test_few_rows_and_long_names_are_drawn():
    svg = pictures.beeswarm(np.array([[0.1, 0.0]]), np.array([[np.nan, 1.0]]), ["x" * 10_000, "b"])
    assert "x" * 20 in svg
    assert len(svg) < 100_000
