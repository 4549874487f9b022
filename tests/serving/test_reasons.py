from dataclasses import replace

import numpy as np
import pytest

from serving.bundle import FeatureSpec
from serving.calibration import sigmoid
from serving.reasons import MOST, amount, in_words, peer_percentiles, reasons, signals
from serving.score import score

DAYS = FeatureSpec("d", "usage", "activity", "Days of use", "days", "safer")


def told_of(bundle, rows, baseline=None):
    usual = np.full(rows.shape, np.nan) if baseline is None else baseline
    return reasons(bundle, score(bundle, rows), rows, usual, np.full(len(rows), "all"))


def test_signals_sum_to_what_the_features_sum_to(bundle, rows):
    found, known = score(bundle, rows), signals(bundle)
    assert known.names[:2] == (("usage", "activity"), ("usage", "silence"))
    assert (known.members.sum(axis=0) == 1).all()
    summed = known.contributions(found.drivers).sum(axis=1)
    np.testing.assert_allclose(found.intercept + summed, found.log_odds, atol=1e-9)


def test_the_riskiest_signals_come_first_and_the_safest_last(bundle, rows):
    found, known = score(bundle, rows), signals(bundle)
    moved = known.contributions(found.drivers)
    for row, told in zip(moved, told_of(bundle, rows), strict=True):
        contributions = [reason.contribution for reason in told]
        raising = sorted((x for x in row if x > 0), reverse=True)[:MOST]
        lowering = [row.min()] if row.min() < 0 else []
        np.testing.assert_allclose(contributions, raising + lowering)
        assert len({reason.signal for reason in told}) == len(told)


def test_points_are_the_signals_part_of_the_way_from_base_to_probability(bundle, rows):
    found = score(bundle, rows[:30])
    start = sigmoid(found.intercept)
    for i, told in enumerate(told_of(bundle, rows[:30])):
        whole = 100 * (found.probability[i] - start), found.log_odds[i] - found.intercept
        for reason in told:
            assert reason.contribution_pp / whole[0] == pytest.approx(reason.contribution / whole[1])
            assert reason.contribution_pp * reason.contribution > 0


def test_a_reason_carries_the_value_of_its_feature(bundle, rows):
    names = [spec.name for spec in bundle.features]
    baseline = rows + np.array([1, 1, 1, 1, 1, 1, 1, 0])
    for i, told in enumerate(told_of(bundle, rows[:30], baseline[:30])):
        for reason in told:
            value = rows[i, names.index(reason.feature)]
            assert reason.value == (None if np.isnan(value) else value)
            usual = baseline[i, names.index(reason.feature)]
            assert reason.baseline == (None if np.isnan(usual) else usual)


def test_a_cold_start_gives_no_reasons(cold, rows):
    assert told_of(cold, rows[:3]) == [[], [], []]


def test_percentiles_are_those_of_counting():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 6, (90, 2)).astype(float)
    rows[::7, 1] = np.nan
    peers = np.repeat(["a", "b", "c"], [40, 45, 5])
    row, feature = (places.ravel() for places in np.indices(rows.shape))
    found = peer_percentiles(rows, peers, row, feature).reshape(rows.shape)
    for i, j in np.ndindex(rows.shape):
        among = rows[:, j] if peers[i] == "c" else rows[peers == peers[i], j]
        among = among[~np.isnan(among)]
        wanted = 100 * np.mean((among < rows[i, j]) + 0.5 * (among == rows[i, j]))
        np.testing.assert_allclose(found[i, j], np.nan if np.isnan(rows[i, j]) else wanted)


@pytest.mark.parametrize(
    ("value", "usual", "percentile", "text"),
    [
        (3, 11, 8, "Days of use: 3 days, usually 11 days; lower than 92 % of peers"),
        (1, np.nan, 50, "Days of use: 1 day; about as most peers"),
        (12, 12, 70, "Days of use: 12 days; higher than 70 % of peers"),
        (np.nan, 4, np.nan, "Days of use: unknown, usually 4 days"),
    ],
)
def test_one_plain_sentence(value, usual, percentile, text):
    assert in_words(DAYS, value, usual, percentile) == text


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("share", 0.256, "26 %"),
        ("yes/no", 1, "yes"),
        ("yes/no", 0, "no"),
        ("money a month", 1234.5, "1,234 a month"),
        ("money", 99, "99"),
        ("times", 1.25, "1.2 times"),
        ("tickets", 2.5, "2.5 tickets"),
        ("days", 0, "0 days"),
    ],
)
def test_amounts_as_a_person_writes_them(unit, value, text):
    assert amount(FeatureSpec("f", "usage", "s", "F", unit, "safer"), value) == text


def test_a_category_is_told_by_its_word():
    plan = FeatureSpec("plan", "commercial", "plan", "Plan", "level", "unknown", ("basic", "pro"))
    assert in_words(plan, 1, 0, 80) == "Plan: pro, usually basic"


@pytest.mark.parametrize("code", [2.0, -1.0, 99.0, 1e300, np.inf])
def test_a_category_the_model_does_not_know_is_another(code):
    plan = FeatureSpec("plan", "commercial", "plan", "Plan", "level", "unknown", ("basic", "pro"))
    assert amount(plan, code) == "another"


def test_each_bundle_has_its_own_signals(bundle):
    turned = replace(bundle, features=bundle.features[::-1])
    assert signals(turned).names == tuple(reversed(signals(bundle).names))
    assert (signals(turned).members == signals(bundle).members[::-1, ::-1]).all()
