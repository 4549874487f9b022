from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.calibration import sigmoid
from serving.health import shares as shares_of
from serving.score import by_component, score

ANYTHING = st.one_of(st.just(np.nan), st.integers(-1, 30).map(float), st.floats(-1e12, 1e12))
TABLES = st.integers(1, 20).flatmap(lambda n: arrays(np.float64, (n, 8), elements=ANYTHING))
REPEATED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@REPEATED
@given(table=TABLES)
def test_drivers_add_up_to_the_calibrated_log_odds_on_every_row(bundle, table):
    found = score(bundle, table)
    np.testing.assert_allclose(found.intercept + found.drivers.sum(axis=1), found.log_odds, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.intercept + found.terms.sum(axis=1), found.log_odds, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.log(found.probability / (1 - found.probability)), found.log_odds, atol=1e-9)


@REPEATED
@given(table=TABLES)
def test_points_add_up_to_health(bundle, table):
    found = score(bundle, table)
    points = sum(found.shares[c] * found.component_scores[c] for c in bundle.health_components)
    np.testing.assert_allclose(points, found.health, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sum(found.shares.values()), 1, atol=1e-12)
    assert ((found.health >= 0) & (found.health <= 100)).all()


def test_log_odds_are_the_boosters_where_every_slope_is_one(bundle, rows):
    contributions = bundle.booster.contributions(rows)
    slopes = np.array([bundle.calibration.slopes[spec.component] for spec in bundle.features])
    found = score(bundle, rows)
    undone = np.divide(found.drivers, slopes, out=contributions[:, :-1].copy(), where=slopes > 0)
    raw = bundle.booster.log_odds(rows)
    np.testing.assert_allclose(undone.sum(axis=1) + contributions[:, -1], raw, rtol=0, atol=1e-9)


def test_a_component_with_slope_zero_moves_nothing_and_scores_50(bundle, rows):
    found = score(bundle, rows)
    assert not found.drivers[:, bundle.columns("support")].any()
    assert (found.component_scores["support"] == 50).all()
    assert not found.shares["support"].any()


@pytest.mark.system("H1")
def test_health_is_the_health_components_log_odds_turned_to_0_100(bundle, rows):
    found = score(bundle, rows)
    held = [bundle.components.index(c) for c in bundle.health_components]
    high, low = (
        np.array([getattr(bundle.scales[c], end) for c in bundle.health_components]) for end in ("high", "low")
    )
    inside = ((found.terms[:, held] >= low) & (found.terms[:, held] <= high)).all(axis=1)
    wanted = 100 * (high.sum() - found.terms[:, held].sum(axis=1)) / (high - low).sum()
    assert inside.mean() > 0.9
    np.testing.assert_allclose(found.health[inside], wanted[inside], atol=1e-9)


def test_a_row_scores_the_same_alone_and_in_company(bundle, rows):
    together = score(bundle, rows[:50])
    alone = [score(bundle, rows[i : i + 1]) for i in range(50)]
    assert together.probability.tolist() == [one.probability[0] for one in alone]
    assert together.health.tolist() == [one.health[0] for one in alone]


@pytest.mark.system("H14")
def test_the_interval_is_that_of_the_draws(bundle, rows):
    found = score(bundle, rows[:20])
    margins = np.column_stack(
        [bundle.booster.contributions(rows[:20])[:, bundle.columns(c)].sum(axis=1) for c in bundle.components]
    )
    drawn = [sigmoid(theta[0] + margins @ theta[1:]) for theta in bundle.calibration.draws]
    np.testing.assert_allclose(found.interval, np.quantile(drawn, [0.025, 0.975], axis=0), atol=1e-3)
    assert (found.interval[0] <= found.interval[1]).all()


def test_a_model_taken_as_it_is_has_a_probability_and_no_interval(bundle, rows):
    """Nothing was fitted, so the draws are all alike: a width of zero would say that it is exact."""
    calibration = replace(bundle.calibration, method="none", draws=np.tile(bundle.calibration.draws[0], (20, 1)))
    found = score(replace(bundle, calibration=calibration), rows[:20])
    assert np.isnan(found.interval).all()
    assert found.interval.shape == (2, 20)
    assert not np.isnan(found.probability).any()


def test_a_cold_start_has_health_and_no_probability(cold, rows):
    rows = rows[~np.isnan(rows).any(axis=1)]
    found = score(cold, rows)
    assert np.isnan(found.probability).all()
    assert np.isnan(found.interval).all()
    assert found.drivers.shape == (len(rows), 0)
    wanted = shares_of(found.component_scores, cold.weights)
    np.testing.assert_allclose(sum(wanted[c] * found.component_scores[c] for c in wanted), found.health)
    assert set(found.tier) <= {"green", "yellow", "red"}


def test_a_cold_start_row_that_knows_nothing_has_no_health(cold):
    found = score(cold, np.full((1, 8), np.nan))
    assert np.isnan(found.health).all()
    assert found.tier.tolist() == [None]


def test_each_bundle_sums_its_own_columns(bundle, rows):
    turned = replace(bundle, features=bundle.features[::-1])
    contributions = bundle.booster.contributions(rows[:20])[:, :-1]
    wanted = by_component(bundle, contributions)
    np.testing.assert_allclose(by_component(turned, contributions[:, ::-1]), wanted, atol=1e-12)


def test_a_row_alone_scores_as_in_a_book_to_the_bit(bundle, rows):
    book = score(bundle, rows)
    for i in range(50):
        alone = score(bundle, rows[i : i + 1])
        for name in ("probability", "log_odds", "drivers", "terms", "health"):
            assert getattr(alone, name)[0].tobytes() == getattr(book, name)[i].tobytes(), name


def test_a_row_alone_sums_to_its_components_as_in_a_book_to_the_bit(bundle):
    wide = replace(bundle, features=bundle.features * 6)
    contributions = np.random.default_rng(0).normal(size=(50, len(wide.features)))
    book = by_component(wide, contributions)
    for i in range(50):
        assert by_component(wide, contributions[i : i + 1])[0].tobytes() == book[i].tobytes()
