"""Causes that recur and reasons that shift, against chance."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from retention.reasons.causes import Root
from retention.reasons.patterns import distance, drift_p, recurring

A, B, C = Root("product", "bugs"), Root("value", "no_return"), Root("economic", "cost")


@pytest.mark.system("P2")
def test_a_cause_that_recurs_more_than_chance_is_systemic_and_one_case_is_not():
    found = {one.root: one for one in recurring({A: (12, 3), B: (1, 0), C: (2, 1)}, kinds=20, recent_share=0.25)}
    assert found[A].is_systemic(0.05)
    assert not found[B].is_systemic(0.05)
    assert not found[C].is_systemic(0.05)
    (alone,) = recurring({A: (2, 2)}, kinds=20, recent_share=0.25)
    assert alone.evenly < 0.05
    assert not alone.is_systemic(0.05), "two cases are no pattern"


@pytest.mark.system("P2")
def test_a_cause_that_rises_of_late_is_systemic_however_rare():
    counts = {A: (6, 6), B: (40, 10), C: (40, 9)}
    found = {one.root: one for one in recurring(counts, kinds=3, recent_share=0.25)}
    assert found[A].evenly > 0.05
    assert found[A].lately == pytest.approx(3 * 0.25**6)
    assert found[A].is_systemic(0.05)


def test_chance_is_the_binomial_tail():
    (one,) = recurring({A: (5, 2)}, kinds=4, recent_share=0.25)
    assert one.evenly == pytest.approx(0.25**5)
    assert one.lately == pytest.approx(1 - sum(comb(5, k) * 0.25**k * 0.75 ** (5 - k) for k in range(2)))


@pytest.mark.system("G5")
@given(st.lists(st.integers(0, 3), min_size=2, max_size=3), st.lists(st.integers(0, 3), min_size=2, max_size=3))
def test_the_permutation_test_is_that_over_all_orders(one, other):
    before, after = np.array(one[:2]), np.array(other[:2])
    if not (before.sum() and after.sum()):
        return
    losses = np.repeat([0, 1], before + after)
    splits = [np.bincount(losses[list(pick)], minlength=2) for pick in combinations(range(len(losses)), after.sum())]
    far = [distance(before + after - late, late) >= distance(before, after) - 1e-12 for late in splits]
    assert drift_p(before, after) == pytest.approx(np.mean(far), abs=0.02)


@pytest.mark.system("G5")
def test_without_a_shift_the_probability_is_uniform_and_never_too_small():
    rng = np.random.default_rng(1)
    p = [
        drift_p(rng.multinomial(40, [0.5, 0.3, 0.2]), rng.multinomial(12, [0.5, 0.3, 0.2]), draws=499)
        for _ in range(300)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.08
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01


@pytest.mark.system("G5")
def test_a_planted_shift_is_found():
    assert drift_p(np.array([60, 20, 20]), np.array([5, 25, 5])) < 0.001
