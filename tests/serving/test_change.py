"""What moved a health score: parts that add up, each zero when its cause did not change."""

from dataclasses import replace

import numpy as np
import pytest

from serving.change import Then, changes
from serving.health import Scale, weights
from serving.score import score


def then_of(bundle, rows):
    found = score(bundle, rows)
    return Then(rows, found.component_scores, found.health)


def moved(bundle, rows, old_bundle, old_rows, stale=()):
    then = then_of(old_bundle, old_rows)
    return changes(bundle, score(bundle, rows), rows, then, score(bundle, old_rows), stale)


@pytest.fixture
def other(bundle):
    """The same model whose support counts, with other weights."""
    scales = {**bundle.scales, "usage": Scale(-2.0, 2.0), "support": Scale(-1.0, 1.0)}
    slopes = {**bundle.calibration.slopes, "support": 0.9}
    return replace(
        bundle,
        calibration=replace(bundle.calibration, slopes=slopes),
        scales=scales,
        weights=weights({c: scales[c] for c in bundle.health_components}),
    )


@pytest.fixture
def reweighted(bundle):
    return replace(bundle, weights={"usage": 0.2, "feedback": 0.3, "support": 0.5})


def test_the_parts_add_up_to_the_move(bundle, other, rows):
    now, old = rows[:300], rows[300:600]
    for i, change in enumerate(moved(other, now, bundle, old, stale={"feedback"})):
        wanted = score(other, now[[i]]).health[0] - score(bundle, old[[i]]).health[0]
        assert change.points == pytest.approx(wanted)
        parts = change.inputs + change.weights + change.model + change.staleness
        assert parts == pytest.approx(change.points, abs=1e-9)
        assert sum(change.components.values()) == pytest.approx(change.inputs + change.staleness, abs=1e-9)


def test_nothing_changed_is_nothing_moved(bundle, rows):
    for change in moved(bundle, rows[:50], bundle, rows[:50]):
        assert (change.points, change.inputs, change.weights, change.model, change.staleness) == (0, 0, 0, 0, 0)
        assert change.movers == ()


def test_with_the_same_model_only_inputs_move(bundle, rows):
    for change in moved(bundle, rows[:200], bundle, rows[200:400]):
        assert (change.weights, change.model, change.staleness) == (0, 0, 0)
        assert change.inputs == pytest.approx(change.points, abs=1e-12)


def test_with_the_same_inputs_they_did_not_move_it(bundle, other, rows):
    for change in moved(other, rows[:200], bundle, rows[:200], stale={"usage"}):
        assert change.inputs == pytest.approx(0, abs=1e-9)
        assert change.staleness == 0
        assert change.movers == ()


def test_other_weights_alone_are_told_as_weights(bundle, reweighted, rows):
    for change in moved(reweighted, rows[:200], bundle, rows[:200]):
        assert change.weights == pytest.approx(change.points, abs=1e-9)
        assert change.model == pytest.approx(0, abs=1e-9)


def test_what_a_stale_component_moves_is_staleness(bundle, rows):
    old, now = rows[:100], rows[:100].copy()
    now[:, 2] = np.nan_to_num(now[:, 2]) + 21  # three more weeks without use
    for fresh, stale in zip(moved(bundle, now, bundle, old), moved(bundle, now, bundle, old, {"usage"}), strict=True):
        assert fresh.staleness == 0
        assert stale.staleness == fresh.components["usage"]
        assert stale.staleness + stale.inputs == pytest.approx(fresh.inputs, abs=1e-9)


def test_movers_point_where_the_score_went_and_say_both_values(bundle, rows):
    old, now = rows[:1].copy(), rows[:1].copy()
    old[0, :3], now[0, :3] = (20, 60, 1), (2, 30, 25)
    (change,) = moved(bundle, now, bundle, old)
    assert change.points < 0
    assert change.movers
    assert all(mover.log_odds > 0 for mover in change.movers)
    assert change.movers[0].component == "usage"
    first = change.movers[0]
    j = [spec.name for spec in bundle.features].index(first.feature)
    assert (first.before, first.now) == (old[0, j], now[0, j])
    assert ", now " in first.text


def test_an_account_that_was_not_scored_then_has_no_change(bundle, rows):
    then = replace(then_of(bundle, rows[:2]), health=np.array([50.0, np.nan]))
    found = changes(bundle, score(bundle, rows[:2]), rows[:2], then, score(bundle, rows[:2]), ())
    assert found[1] is None
    assert found[0] is not None


def test_a_component_unknown_then_and_known_now_still_adds_up(bundle, rows):
    old = rows[:30]
    then = then_of(bundle, old)
    scores = {**then.scores, "feedback": np.full(30, np.nan)}
    held = replace(then, scores=scores, health=np.full(30, 60.0))
    for change in changes(bundle, score(bundle, rows[30:60]), rows[30:60], held, score(bundle, old), ()):
        assert change.inputs + change.weights + change.model == pytest.approx(change.points)
