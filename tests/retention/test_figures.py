"""Figures hold what they say: intervals that other libraries and simulation confirm."""

import numpy as np
import pytest
from scipy.stats import binomtest

from retention.figures import Figure, mean, median, ratio, share


@pytest.mark.parametrize(("part", "whole"), [(0, 10), (3, 10), (10, 10), (1, 200), (150, 200)])
def test_a_share_has_the_interval_that_scipy_gives(part, whole):
    found, other = share(part, whole), binomtest(part, whole).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-12)


@pytest.mark.parametrize(
    ("figure", "confidence"),
    [
        (Figure(None, 0), "none"),
        (Figure(12.0, 12), "high"),
        (Figure(0.5, 100, 0.45, 0.55), "high"),
        (Figure(0.5, 10, 0.3, 0.7), "medium"),
        (Figure(0.5, 2, 0.1, 0.9), "low"),
        (Figure(0.0, 5, -1.0, 1.0), "low"),
    ],
)
@pytest.mark.system("X12")
def test_confidence_follows_from_how_wide_the_interval_is(figure, confidence):
    assert figure.confidence == confidence


@pytest.mark.system("X12")
def test_a_share_of_too_few_is_not_told_but_says_of_how_many():
    assert share(2, 3, fewest=5) == Figure(None, 3)


@pytest.mark.parametrize("estimate", [mean, median], ids=["mean", "median"])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(estimate):
    rng = np.random.default_rng(0)
    held = [(f := estimate(rng.normal(3, 2, 40))).low <= 3 <= f.high for _ in range(400)]
    assert 0.92 <= np.mean(held) <= 0.985


def test_a_ratio_of_sums_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(1), []
    for i in range(200):
        size = rng.gamma(2, 1, 80)
        found = ratio(size * (rng.random(80) < 0.3), size, draws=400, seed=i)
        held.append(found.low <= 0.3 <= found.high)
    assert 0.88 <= np.mean(held) <= 0.985


def test_unknown_values_are_left_out_and_nothing_is_not_zero():
    assert mean(np.array([1.0, np.nan, 3.0])).n == 2
    assert mean(np.array([np.nan])).value is None
    assert median(np.array([])).value is None
    assert ratio(np.array([0.0]), np.array([0.0])).value is None
