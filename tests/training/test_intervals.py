import math
from statistics import NormalDist

import numpy as np
import pytest

from training.errors import EvidenceError
from training.intervals import Figure, clustered, difference, limits, resampled, wilson
from training.metrics import figures, statistic


def mean_of(values):
    return lambda weight: {"mean": float(weight @ values / weight.sum())}


def test_figure_is_three_numbers_and_null_for_nan():
    assert Figure(0.5, 0.4, 0.6).as_dict() == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert Figure(0.5, math.nan, math.inf).as_dict() == {"value": 0.5, "low": None, "high": None}


def test_an_account_is_drawn_with_all_its_rows_and_as_many_accounts_as_there_are():
    accounts = np.array(["a", "b", "a", "c", "b", "a"])
    for weight in resampled(accounts, draws=20, seed=1):
        of_account = {name: set(weight[accounts == name]) for name in "abc"}
        assert all(len(times) == 1 for times in of_account.values())
        assert sum(times.pop() for times in of_account.values()) == 3


def test_the_same_seed_gives_the_same_interval():
    values, accounts = np.arange(20.0), np.arange(20)
    same = [clustered(mean_of(values), accounts, draws=30, seed=seed) for seed in (7, 7, 8)]
    assert same[0] == same[1] != same[2]


def test_interval_of_a_mean_agrees_with_its_standard_error():
    values = np.random.default_rng(0).normal(size=400)
    found = clustered(mean_of(values), np.arange(400), draws=2000)["mean"]
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.012)


def test_repeated_rows_of_an_account_do_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    label, p = rng.random(150) < 0.3, rng.random(150)
    once = clustered(statistic(label, p), np.arange(150), draws=200)["auc"]
    repeated = statistic(np.repeat(label, 9), np.repeat(p, 9))
    by_account = clustered(repeated, np.repeat(np.arange(150), 9), draws=200)["auc"]
    by_row = clustered(repeated, np.arange(150 * 9), draws=200)["auc"]
    assert by_account == once
    assert by_account.high - by_account.low > 2.5 * (by_row.high - by_row.low)


def test_intervals_of_clustered_rows_cover_the_truth():
    rng = np.random.default_rng(1)
    covered = naive = 0
    accounts = np.repeat(np.arange(60), 6)
    for trial in range(150):
        values = np.repeat(rng.normal(size=60), 6) + rng.normal(size=360)
        by_account = clustered(mean_of(values), accounts, draws=150, seed=trial)["mean"]
        by_row = clustered(mean_of(values), np.arange(360), draws=150, seed=trial)["mean"]
        covered += by_account.low <= 0 <= by_account.high
        naive += by_row.low <= 0 <= by_row.high
    assert 0.89 <= covered / 150 <= 0.99
    assert naive / 150 < 0.8  # the mistake the clustering is there for


def test_intervals_of_the_auc_cover_the_truth():
    rng = np.random.default_rng(2)
    truth, covered = NormalDist().cdf(1 / math.sqrt(2)), 0
    for trial in range(100):
        label = rng.random(200) < 0.3
        score = 1 / (1 + np.exp(-rng.normal(size=200) - label))
        found = clustered(statistic(label, score), np.arange(200), draws=100, seed=trial)["auc"]
        covered += found.low <= truth <= found.high
    assert covered >= 88


def test_paired_difference_is_narrower_than_its_parts():
    rng = np.random.default_rng(3)
    log_odds = rng.normal(size=500)
    label = rng.random(500) < 1 / (1 + np.exp(-log_odds))
    good, noisy = (1 / (1 + np.exp(-log_odds - s * rng.normal(size=500))) for s in (0, 0.3))
    paired = difference(statistic(label, good), statistic(label, noisy), np.arange(500), draws=200)
    alone = clustered(statistic(label, good), np.arange(500), draws=200)
    assert paired["auc"].value == pytest.approx(figures(label, good)["auc"] - figures(label, noisy)["auc"])
    assert paired["auc"].high - paired["auc"].low < (alone["auc"].high - alone["auc"].low) / 2


def test_a_model_does_not_differ_from_itself():
    label, p = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.5, 0.4, 0.3, 0.1])
    itself = difference(statistic(label, p), statistic(label, p), np.arange(5), draws=50)
    assert {(f.value, f.low, f.high) for name, f in itself.items() if "calibration" not in name} == {(0, 0, 0)}


def test_draws_without_a_value_are_left_out():
    assert limits([[1.0, math.nan], [math.nan, math.nan], [3.0, math.nan]], level=1.0)[:, 0].tolist() == [
        1,
        3,
    ]
    assert np.isnan(limits([[math.nan], [math.nan]])).all()


def test_one_class_has_a_figure_without_limits():
    found = clustered(statistic([0, 0, 0], [0.1, 0.2, 0.3]), [1, 2, 3], draws=10)
    assert found["auc"].as_dict() == {"value": None, "low": None, "high": None}
    assert found["log_loss"].low < found["log_loss"].value


def test_no_rows_are_refused():
    with pytest.raises(EvidenceError, match="no rows"):
        clustered(mean_of(np.array([])), [])


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [  # from the formula with z = 1.959964, as in Newcombe 1998, table I
        pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148"),
        pytest.param(0, 20, 0.0, 0.1611, id="0 of 20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1 of 29"),
    ],
)
def test_wilson_agrees_with_newcombe(count, n, low, high):
    found = wilson(count, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_without_rows_is_nan():
    assert math.isnan(wilson(0, 0).value)
