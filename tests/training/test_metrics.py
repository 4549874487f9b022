import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from training.errors import EvidenceError
from training.metrics import capture_at, figures, lift_table, reliability


def sample(seed, n=400, digits=17):
    """Churn drawn from a probability that is then reported too extreme; few digits make ties."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1, n)
    churned = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return churned, np.round(1 / (1 + np.exp(-1.5 * log_odds)), digits).clip(0.001, 0.999), rng


@pytest.mark.parametrize("digits", [pytest.param(17, id="no ties"), pytest.param(1, id="many ties")])
@pytest.mark.parametrize("weighted", [False, True])
def test_figures_agree_with_scikit_learn(digits, weighted):
    churned, p, rng = sample(3, digits=digits)
    weight = rng.integers(0, 4, len(p)).astype(float) if weighted else np.ones(len(p))
    ours = figures(churned, p, weight)
    assert ours["auc"] == pytest.approx(roc_auc_score(churned, p, sample_weight=weight), abs=1e-12)
    precision = average_precision_score(churned, p, sample_weight=weight)
    assert ours["average_precision"] == pytest.approx(precision, abs=1e-12)
    assert ours["log_loss"] == pytest.approx(log_loss(churned, p, sample_weight=weight), abs=1e-12)
    assert ours["brier"] == pytest.approx(brier_score_loss(churned, p, sample_weight=weight), abs=1e-12)
    line = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000)
    line.fit(np.log(p / (1 - p))[:, None], churned, sample_weight=weight)
    assert ours["calibration_slope"] == pytest.approx(line.coef_[0, 0], abs=1e-4)


def test_weights_are_repeated_rows():
    churned, p, rng = sample(4, n=80, digits=2)
    weight = rng.integers(0, 3, len(p))
    repeated = figures(np.repeat(churned, weight), np.repeat(p, weight))
    assert figures(churned, p, weight) == pytest.approx(repeated, abs=1e-9)


def test_intercept_makes_the_means_agree():
    churned, p, _ = sample(5)
    shift = figures(churned, p)["calibration_intercept"]
    moved = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + shift)))
    assert moved.mean() == pytest.approx(churned.mean(), abs=1e-9)


def test_a_stretched_probability_has_the_inverse_slope():
    churned, p, _ = sample(6, n=3000)
    stretched = 1 / (1 + ((1 - p) / p) ** 2)
    assert figures(churned, stretched)["calibration_slope"] == pytest.approx(
        figures(churned, p)["calibration_slope"] / 2, rel=1e-6
    )


@pytest.mark.parametrize(
    ("churned", "probability", "lift"),
    [
        pytest.param([1] + [0] * 9, np.linspace(1, 0, 10), 10, id="the only churner is on top"),
        pytest.param([0] * 9 + [1], np.linspace(1, 0, 10), 0, id="at the bottom"),
        pytest.param([1, 0] * 10, [0.5] * 20, 1, id="all tied: no better than chance"),
        pytest.param([1, 0] + [0] * 18, [0.9] * 4 + [0.1] * 16, 5, id="half of a tied group of four"),
        pytest.param([1] + [0] * 4, [0.9] + [0.1] * 4, 5, id="a tenth is half a row"),
    ],
)
def test_lift_of_the_riskiest_tenth(churned, probability, lift):
    assert figures(churned, probability)["lift_at_10pct"] == pytest.approx(lift)


@pytest.mark.parametrize(
    ("churned", "undefined"),
    [
        pytest.param([0, 0, 0], {"auc", "average_precision", "lift_at_10pct"}, id="nobody churned"),
        pytest.param([1, 1, 1], {"auc"}, id="everybody churned"),
    ],
)
def test_one_class_gives_nan_for_what_it_cannot_tell(churned, undefined):
    ours = figures(churned, [0.2, 0.3, 0.4])
    undefined = undefined | {"calibration_slope", "calibration_intercept"}
    assert {name for name, value in ours.items() if math.isnan(value)} == undefined


def test_constant_probability_has_no_slope_and_perfect_separation_neither():
    assert math.isnan(figures([0, 1, 0, 1], [0.3] * 4)["calibration_slope"])
    assert math.isnan(figures([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])["calibration_slope"])


def test_certainty_that_is_wrong_costs_much_but_not_everything():
    assert 30 < figures([1, 0], [0.0, 1.0])["log_loss"] < 40


def test_no_rows_give_nan():
    assert all(math.isnan(value) for value in figures([], []).values())


@pytest.mark.parametrize(
    ("churned", "probability", "message"),
    [
        pytest.param([0, 1], [0.5], "same rows", id="different length"),
        pytest.param([0, 1], [0.5, 1.2], "outside", id="above one"),
        pytest.param([0, 1], [0.5, math.nan], "outside", id="NaN"),
        pytest.param([0, math.nan], [0.5, 0.5], "true or false", id="not decided"),
        pytest.param([0, 2], [0.5, 0.5], "true or false", id="no label"),
    ],
)
def test_what_no_figure_can_be_computed_from_is_refused(churned, probability, message):
    with pytest.raises(EvidenceError, match=message):
        figures(churned, probability)


labelled = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.7])), min_size=2, max_size=30)


@given(labelled)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    gone = [p for churned, p in rows if churned]
    stayed = [p for churned, p in rows if not churned]
    pairs = [(a > b) + (a == b) / 2 for a in gone for b in stayed]
    expected = sum(pairs) / len(pairs) if pairs else math.nan
    assert figures(*zip(*rows, strict=True))["auc"] == pytest.approx(expected, nan_ok=True)


def test_capture_of_five_rows_by_hand():
    churned, probability, value = [1, 0, 1, 0, 0], [0.9, 0.8, 0.5, 0.5, 0.1], [100, 70, 300, 50, 10]
    top, two, tied, everything = capture_at(churned, probability, [1, 2, 3, 99], value)
    assert (top.precision, top.recall, top.lift, top.value_caught, top.value_recall) == (
        1,
        0.5,
        2.5,
        100,
        0.25,
    )
    assert (two.precision, two.recall, two.value_caught) == (0.5, 0.5, 100)
    assert (tied.recall, tied.value_caught) == (0.75, 250)  # one of the two tied rows, by lot
    assert (everything.capacity, everything.precision, everything.value_recall) == (5, 0.4, 1)


def test_capture_without_churners_or_rows():
    assert math.isnan(capture_at([0, 0], [0.1, 0.2], [1])[0].recall)
    assert math.isnan(capture_at([], [], [1])[0].precision)
    assert math.isnan(capture_at([1, 0], [0.1, 0.2], [0])[0].precision)


@given(labelled)
def test_lift_table_ends_at_the_whole_book(rows):
    table = lift_table(*zip(*rows, strict=True))
    recalls = [catch.recall for catch in table]
    assert len(table) == 10
    assert math.isnan(recalls[-1]) or (recalls == sorted(recalls) and table[-1].lift == pytest.approx(1))


@given(labelled)
def test_reliability_bins_hold_every_row_once_and_never_split_a_tie(rows):
    churned, probability = zip(*rows, strict=True)
    bins = reliability(churned, probability, bins=4)
    assert sum(part.n for part in bins) == len(rows)
    assert len(bins) <= len(set(probability))
    assert sum(part.n * part.observed.value for part in bins) == pytest.approx(sum(churned))
    assert all(part.observed.low <= part.observed.value <= part.observed.high for part in bins)


def test_reliability_of_ten_equal_bins():
    probability = np.linspace(0.01, 1, 100)
    assert [part.n for part in reliability(probability > 0.5, probability)] == [10] * 10
    assert reliability([], []) == []
