from dataclasses import replace

import numpy as np
import pytest

from features.declare import Direction, Feature
from serving.score import score
from training.model import SHAPES, fit, look_forward, parameters
from training.split import Fold

PROBES = 10_000


def feature(name, more_is=Direction.UNKNOWN, component="usage", categories=()):
    return Feature(name, name, name, "x", "0", more_is, component=component, scan="usage", categories=categories)


def table(n=3_000, seed=0):
    """Four features of two components, the last a category; churn falls with the first and rises with the third."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=(n, 3)), rng.integers(0, 4, n)]).astype(float)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    known = np.nan_to_num(rows)
    z = -1 - known[:, 0] + known[:, 2] * (1 + known[:, 0] > 0) + (known[:, 3] == 2) + np.sin(3 * known[:, 1])
    return rows, rng.random(n) < 1 / (1 + np.exp(-z))


FEATURES = (
    feature("use", Direction.SAFER),
    feature("mood"),
    feature("tickets", Direction.RISKIER, "support"),
    feature("plan", component="support", categories=("a", "b", "c", "d")),
)


def paired(features, rows, n, seed=0):
    """Rows that differ in one feature with a direction, (safer, riskier, its column); unknown values stay out."""
    rng = np.random.default_rng(seed)
    directed = [j for j, f in enumerate(features) if f.more_is in ("safer", "riskier")]
    base = rows[rng.integers(0, len(rows), 3 * n)]
    column, line = rng.choice(directed, len(base)), np.arange(len(base))
    here, there = base[line, column], rows[rng.integers(0, len(rows), len(base)), column]
    told = np.flatnonzero(~np.isnan(here) & ~np.isnan(there) & (here != there))[:n]
    low, high = np.minimum(here, there)[told], np.maximum(here, there)[told]
    safer, riskier, column, line = base[told], base[told], column[told], np.arange(len(told))
    riskier = riskier.copy()
    up = np.array([features[j].more_is == "riskier" for j in column])
    safer[line, column], riskier[line, column] = np.where(up, low, high), np.where(up, high, low)
    return safer, riskier, column


def violations(booster, features, rows, n=2_000):
    safer, riskier, _ = paired(features, rows, n)
    return int((booster.predict(riskier, raw_score=True) < booster.predict(safer, raw_score=True) - 1e-9).sum())


def test_no_probe_of_a_declared_direction_is_violated(trained):
    bundle = trained.learned.bundle
    safer, riskier, column = paired(bundle.features, trained.history.matrix, PROBES)
    assert len(column) == PROBES
    before, after = score(bundle, safer), score(bundle, riskier)
    assert (after.log_odds >= before.log_odds - 1e-9).all()
    assert (after.probability >= before.probability - 1e-12).all()
    assert (after.health <= before.health + 1e-9).all()
    assert (after.log_odds > before.log_odds + 1e-6).mean() > 0.1, "probes that move nothing prove nothing"
    for component, scores in after.component_scores.items():
        mine = np.isin(column, bundle.columns(component))
        assert (scores[mine] <= before.component_scores[component][mine] + 1e-9).all()
        np.testing.assert_allclose(scores[~mine], before.component_scores[component][~mine], atol=1e-9)


def test_directions_are_violated_as_soon_as_nothing_holds_them(trained):
    history, forward, rows = trained.history, trained.learned.forward, trained.split.development
    matrix, features = history.matrix, history.catalogue.features
    free = fit(matrix[rows], history.churned[rows], features, forward.shape, forward.rounds, monotone=False)
    assert violations(free, features, matrix) > 20


def test_components_move_apart_in_the_margin():
    rows, churned = table()
    booster = fit(rows, churned, FEATURES, SHAPES[1], 60)
    moved = rows.copy()
    moved[:, 2:] = rows[np.random.default_rng(1).permutation(len(rows)), 2:]
    before, after = (booster.predict(x, pred_contrib=True) for x in (rows, moved))
    np.testing.assert_allclose(before[:, :2], after[:, :2], atol=1e-9)
    assert np.abs(before[:, 2:4] - after[:, 2:4]).max() > 0.1


def test_a_wrong_direction_is_not_learned():
    rows, churned = table()
    turned = (replace(FEATURES[0], more_is=Direction.RISKIER), *FEATURES[1:])
    assert violations(fit(rows, churned, turned, SHAPES[1], 60), turned, rows) == 0
    assert violations(fit(rows, churned, turned, SHAPES[1], 60, monotone=False), turned, rows) > 100


def test_no_row_is_weighted_by_its_class():
    wanted = {"is_unbalance", "scale_pos_weight", "pos_bagging_fraction"}
    assert not wanted & set(parameters(FEATURES, SHAPES[0]))
    rows, churned = table(6_000)
    p = fit(rows, churned, FEATURES, SHAPES[0], 100).predict(rows)
    assert np.mean(p) == pytest.approx(churned.mean(), abs=0.01)


def test_the_same_rows_give_the_same_model():
    rows, churned = table(800)
    first, second = (fit(rows, churned, FEATURES, SHAPES[0], 20).model_to_string() for _ in range(2))
    assert first == second


def test_forward_predictions_are_of_the_later_rows_and_have_the_loss_that_was_chosen():
    rows, churned = table(1_500)
    churned ^= np.random.default_rng(1).random(1_500) < 0.3
    order = np.arange(1_500)
    folds = tuple(Fold(order < start - 100, (order >= start) & (order < start + 300)) for start in (600, 900, 1_200))
    steps: list[tuple[int, int]] = []
    found = look_forward(rows, churned, FEATURES, folds, lambda done, all_: steps.append((done, all_)), SHAPES[:2])
    assert found.rows.tolist() == list(range(600, 1_500))
    assert found.contributions.shape == (900, 5)
    assert [done for done, _ in steps] == list(range(1, 7))
    margin = found.contributions.sum(axis=1)
    assert 5 < found.rounds < 500
    surprise = np.logaddexp(0, np.where(churned[found.rows], -margin, margin))
    assert surprise.mean() == pytest.approx(found.loss, abs=1e-9)
