"""Rates, effects and their intervals against closed forms, and their coverage over programmes with a known truth."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from retention.effects.estimate import Cases, effect, mean_of, rate, scaled, share_saved
from retention.effects.measured import roi
from retention.figures import Z95, Figure, share


def made(saved, held=None, account=None, worth=None, treated=None):
    n = len(saved)
    is_held = np.zeros(n, dtype=bool) if held is None else np.array(held, dtype=bool)
    return Cases(
        account=np.arange(n) if account is None else np.array(account),
        is_held=is_held,
        is_treated=~is_held if treated is None else np.array(treated, dtype=bool),
        is_saved=np.array(saved, dtype=bool),
        worth=np.ones(n) if worth is None else np.array(worth, dtype=float),
    )


@given(st.integers(2, 60), st.integers(0, 60))
def test_a_case_an_account_has_wilsons_interval(n, k):
    saved = min(k, n)
    found = rate(made([True] * saved + [False] * (n - saved)))
    size = n if saved in (0, n) else n - 1  # as the variance of a sample has it
    p, z2 = saved / n, Z95**2 / size
    half = Z95 * sqrt(p * (1 - p) / size + z2 / (4 * size)) / (1 + z2)
    assert (found.value, found.low, found.high) == pytest.approx(
        (p, (p + z2 / 2) / (1 + z2) - half, (p + z2 / 2) / (1 + z2) + half), abs=1e-12
    )
    assert found.high - found.low >= share(saved, n).high - share(saved, n).low - 1e-12


def test_the_same_case_told_again_of_the_same_accounts_makes_nothing_more_certain():
    once = rate(made([True, False] * 20))
    thrice = rate(made([True, False] * 60, account=list(range(40)) * 3))
    assert thrice.value == once.value
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)
    assert thrice.high - thrice.low > 1.6 * (rate(made([True, False] * 60)).high - rate(made([True, False] * 60)).low)


def test_few_cases_are_not_told():
    assert rate(made([True] * 4), fewest=5) == Figure(None, 4)
    assert effect(made([True] * 8, held=[1] * 4 + [0] * 4), fewest=5).value is None


def test_the_effect_is_the_difference_of_the_arms_with_welchs_standard_error():
    saved = [True] * 60 + [False] * 40 + [True] * 20 + [False] * 30
    found = effect(made(saved, held=[0] * 100 + [1] * 50))
    error = sqrt(0.6 * 0.4 / 99 + 0.4 * 0.6 / 49)
    half = error * student.ppf(0.975, 49)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2 - half, 0.2 + half), rel=1e-9)


def test_a_treated_part_of_the_holdout_is_corrected_for_and_makes_less_certain():
    saved = [True] * 80 + [False] * 20 + [True] * 60 + [False] * 40
    held = [0] * 100 + [1] * 100
    clean = effect(made(saved, held))
    mixed = effect(made(saved, held, treated=[1] * 100 + [1] * 50 + [0] * 50))
    assert mixed.value == pytest.approx(clean.value / 0.5)
    assert mixed.high - mixed.low > 1.5 * (clean.high - clean.low)
    assert effect(made(saved, held, treated=[1] * 195 + [0] * 5)).value is None


def test_an_arm_without_a_loss_is_not_certain():
    found = effect(made([True] * 20 + [True] * 10 + [False] * 10, held=[0] * 20 + [1] * 20))
    assert found.high - found.value > 0.1
    assert share_saved(made([True] * 20), np.ones(20)).low < 0.98


def test_weighting_by_worth_lets_a_large_account_count_more():
    saved, held = [True, False] * 2 + [False] * 4, [0] * 4 + [1] * 4
    assert effect(made(saved, held)).value == 0.5
    assert effect(made(saved, held, worth=[9, 1, 9, 1] * 2), np.array([9.0, 1, 9, 1] * 2)).value == 0.9


def test_the_mean_of_cases_is_as_certain_as_its_accounts():
    values = np.array([0.1, -0.1] * 30)
    own, shared = mean_of(np.arange(60), values), mean_of(np.repeat(np.arange(30), 2) % 15, values + 0.5)
    assert own.value == pytest.approx(0)
    assert own.high == pytest.approx(student.ppf(0.975, 59) * 0.1 * sqrt(60 / 59) / sqrt(60))
    assert shared.value == pytest.approx(0.5)


def test_a_negative_factor_turns_the_interval_round():
    assert scaled(Figure(1.0, 5, 0.5, 2.0), -2.0, 1.0) == Figure(-1.0, 5, -3.0, 0.0)


@pytest.mark.system("R8", "R9", "R10")
def test_intervals_cover_the_truth_of_200_programmes(light):
    """Truth: the law's mean, from 60 larger programmes; the value that each programme prevented, from its own law."""
    law = [light(1000 + seed, accounts=2000) for seed in range(30)]
    save_rate = np.concatenate([one.with_play for one in law]).mean()
    hits = np.zeros(3)
    for seed in range(200):
        one = light(seed)
        treated = one.cases.where(one.cases.is_treated)
        gain = ((one.with_play - one.without) * one.cases.worth)[one.cases.is_treated].sum()
        prevented = scaled(effect(one.cases, one.cases.worth), float(treated.worth.sum()))
        truths = (save_rate, gain, (gain - one.cost) / one.cost)
        found = rate(treated), prevented, roi(prevented, one.cost)
        hits += [figure.low <= truth <= figure.high for figure, truth in zip(found, truths, strict=True)]
    assert ((hits / 200 >= 0.90) & (hits / 200 <= 0.98)).all(), hits / 200
