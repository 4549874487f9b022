from itertools import product

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster import Booster
from serving.bundle import Bundle, spec_of
from serving.calibration import Calibration, sigmoid
from serving.health import Scale
from serving.score import score
from serving.tiers import TIERS
from training.benchmarks import benchmarks
from training.calibrate import Choice
from training.evidence import judge
from training.intervals import Figure
from training.learn import Learned
from training.model import SHAPES, Forward, fit
from training.tier_checks import tier_checks, tier_table, warnings_of


@pytest.fixture(scope="module")
def small(book_of_history, three_features):
    """A history of 60 accounts and a bundle whose calibration and scales are set by hand."""
    history, split = book_of_history(accounts=60, seed=3)
    rows = split.development
    booster = fit(history.matrix[rows], history.churned[rows], three_features, SHAPES[0], 40)
    slopes = {"usage": 1.2, "support": 0.9, "commercial": 0.5}
    bundle = Bundle(
        features=tuple(spec_of(f) for f in three_features),
        vocabulary={},
        booster=Booster(booster.model_to_string()),
        calibration=Calibration(-2.0, slopes, np.tile([-2.0, *slopes.values()], (4, 1))),
        scales={"usage": Scale(-0.5, 1.0), "support": Scale(-0.3, 0.7), "commercial": Scale(-0.1, 0.1)},
        weights={"usage": 0.6, "support": 0.4},
        health_components=("usage", "support"),
    )
    forward = Forward(np.flatnonzero(rows), np.zeros((rows.sum(), 4)), SHAPES[0], 40, 0.3)
    half = Figure(0.5, 0.4, 0.6)
    return history, split, Learned(bundle, forward, Choice("component", {}, {}), {"usage": half, "support": half})


@pytest.fixture(scope="module")
def judged(settings, small):
    history, split, learned = small
    return judge(settings, history, learned, split.development, split.test)


def area(churned, risk):
    """Share of (churner, stayer) pairs in the right order, ties half, by looking at each."""
    pairs = list(product(risk[churned], risk[~churned]))
    return np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])


@pytest.mark.system("H14")
def test_figures_equal_those_counted_by_hand(small, judged):
    history, split, learned = small
    truth = history.churned[split.test]
    found = score(learned.bundle, history.matrix[split.test])
    p = found.probability
    assert 5 < truth.sum() < len(truth) / 2
    assert judged.test["auc"].value == pytest.approx(area(truth, p))
    assert judged.test["brier"].value == pytest.approx(np.mean((p - truth) ** 2))
    assert judged.test["log_loss"].value == pytest.approx(-np.mean(np.log(np.where(truth, p, 1 - p))))
    assert judged.health["auc"].value == pytest.approx(area(truth, -found.health))
    assert judged.benchmarks["recency"]["auc"].value == pytest.approx(area(truth, history.matrix[split.test, 0]))
    assert judged.benchmarks["base_rate"]["auc"].value == 0.5


def test_capacity_counts_the_riskiest_rows(small, judged):
    history, split, _ = small
    truth, p = history.churned[split.test], judged.scores.probability
    n = len(p) // 10
    tenth = next(catch for catch in judged.capacity if catch.capacity == pytest.approx(n))
    last = np.sort(p)[-n]
    drawn = np.where(p > last, 1.0, (p == last) * (n - np.sum(p > last)) / np.sum(p == last))
    assert drawn.sum() == pytest.approx(n)
    assert tenth.recall == pytest.approx(truth @ drawn / truth.sum())
    assert tenth.value_caught == pytest.approx((12 * history.matrix[split.test, 2] * truth) @ drawn)


def test_tiers_are_counted(small, judged):
    history, split, _ = small
    truth, tier = history.churned[split.test], judged.scores.tier
    assert len(set(tier)) == 3
    for name, figures in judged.health["tiers"].items():
        assert figures["share"].value == pytest.approx(np.mean(tier == name))
        assert figures["churn_rate"].value == pytest.approx(truth[tier == name].mean())
        assert figures["share"].low <= figures["share"].value <= figures["share"].high


def test_the_three_checks_are_those_of_counting(small, judged):
    history, split, learned = small
    truth, tier = history.churned[split.test], judged.scores.tier
    red, warned, green = (check["value"] for check in judged.health["checks"])
    assert red == pytest.approx(truth[tier == "red"].mean() / truth.mean())
    assert green == pytest.approx(np.mean(tier == "green"))
    below = []
    for account in np.unique(history.accounts[split.test & history.churned]):
        mine = np.flatnonzero(history.accounts == account)
        first = next(row for row in mine if split.test[row] and history.churned[row])
        left = history.labels.table["churned_at"].to_numpy()[first]
        before = [row for row in mine if history.moments[row] <= left - np.timedelta64(60, "D")]
        below.append(score(learned.bundle, history.matrix[before[-1:]]).tier[0] != "green")
    assert warned == pytest.approx(np.mean(below))


def test_harm_is_the_log_loss_gained_or_lost_by_calibrating(small, judged):
    history, split, learned = small
    truth = history.churned[split.test]
    raw = sigmoid(learned.bundle.booster.log_odds(history.matrix[split.test]))
    losses = [-np.mean(np.log(np.where(truth, p, 1 - p))) for p in (judged.scores.probability, raw)]
    assert judged.harm.value == pytest.approx(losses[0] - losses[1])


def test_without_a_red_account_the_red_check_is_unknown(small):
    history, split, learned = small
    safe = {**vars(learned.bundle), "scales": {c: Scale(90.0, 99.0) for c in learned.bundle.scales}}
    bundle = Bundle(**safe)
    found = score(bundle, history.matrix[split.test])
    assert set(found.tier) == {"green"}
    red, warned, green = tier_checks(
        TIERS, found.tier, history.churned[split.test], [warnings_of(history, bundle, split.test)]
    )
    assert (red["value"], red["passed"]) == (None, None)
    assert (warned["value"], warned["passed"]) == (0.0, False)
    assert (green["value"], green["passed"]) == (1.0, False)


def test_churners_without_a_score_sixty_days_before_leave_the_warning_unknown(small):
    history, _, learned = small
    first = history.moments == history.moments.min()
    found = score(learned.bundle, history.matrix[first])
    check = tier_checks(TIERS, found.tier, history.churned[first], [warnings_of(history, learned.bundle, first)])[1]
    assert "(0 accounts)" in check["check"]
    assert (check["value"], check["passed"]) == (None, None)


def test_a_tier_that_nobody_is_in_has_no_churn_rate():
    everyone = np.full(5, "green", dtype=object)
    table = tier_table(TIERS, everyone, np.array([1, 0, 0, 0, 0], bool), np.array(list("abcde")))
    assert table["green"]["churn_rate"].value == pytest.approx(0.2)
    assert table["red"]["share"].value == 0
    assert np.isnan(table["red"]["churn_rate"].value)


def test_no_signal_is_said_and_nobody_is_ranked_by_it(silence):
    evidence, bundle = silence.evidence, silence.learned.bundle
    assert evidence.test["auc"].low < 0.5 < evidence.test["auc"].high
    assert any(note.startswith("No signal was found") for note in evidence.notes)
    lost = silence.history.churned[silence.split.development].mean()
    assert np.median(evidence.scores.probability) == pytest.approx(lost, rel=0.5)
    assert evidence.test["calibration_slope"].low < 1
    assert max(bundle.weights.values()) <= 1


def test_a_signal_is_found_where_there_is_one(trained):
    evidence, oracle = trained.evidence, trained.evidence.test["auc"]
    assert oracle.low > 0.55
    assert not any(note.startswith("No signal") for note in evidence.notes)
    assert evidence.health["auc"].value >= 0.95 * evidence.health["auc_unrestricted"].value


@pytest.mark.parametrize("broken", [np.nan, 0.0], ids=["unknown to all", "constant"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_benchmarks_live_with_a_column_that_says_nothing(small, column, broken):
    history, split, _ = small
    matrix = history.matrix.copy()
    matrix[:, column] = broken
    found = benchmarks(history.catalogue.names, matrix, history.churned, split.development, split.test)
    for name, probability in found.items():
        assert probability.shape == (split.test.sum(),), name
        assert ((probability >= 0) & (probability <= 1)).all(), name


@pytest.mark.parametrize("value", [np.nan, 3.0], ids=["all unknown", "all constant"])
def test_benchmarks_on_nothing_at_all_give_the_base_rate(small, value):
    history, split, _ = small
    matrix = np.full_like(history.matrix, value)
    found = benchmarks(history.catalogue.names, matrix, history.churned, split.development, split.test)
    for name, probability in found.items():
        assert probability == pytest.approx(history.churned[split.development].mean(), abs=0.02), name


def test_a_perfect_column_is_found_by_every_learner(small):
    history, split, _ = small
    matrix = history.matrix.copy()
    matrix[:, 0] = history.churned + np.random.default_rng(0).normal(0, 0.01, len(matrix))
    found = benchmarks(history.catalogue.names, matrix, history.churned, split.development, split.test)
    truth = history.churned[split.test]
    for name in ("recency", "logistic", "plain_lightgbm"):
        assert area(truth, found[name]) > 0.95, name


def test_the_tiny_bundle_is_the_model_it_says(small):
    history, _, learned = small
    model = lgb.Booster(model_str=learned.bundle.booster.text)
    contributions = np.asarray(model.predict(history.matrix, pred_contrib=True))
    wanted = sigmoid(-2.0 + contributions[:, :3] @ [1.2, 0.9, 0.5])
    np.testing.assert_allclose(score(learned.bundle, history.matrix).probability, wanted, atol=1e-12)
