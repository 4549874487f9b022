"""The final model over Spark: as good as one process's, of one component a tree, and nothing left behind."""

import re
import sys
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from features.declare import Direction, Feature
from training import cluster as clusters
from training import worker
from training.cluster import Cluster
from training.errors import EvidenceError
from training.learn import learn
from training.model import SHAPES, dataset, fit_here, parameters

ROUNDS = 120
COMPONENTS = ("usage", "support", "commercial")
FEATURES = tuple(
    Feature(
        f"{c}_{i}",
        c,
        "",
        "",
        "",
        d,
        component=c,
        scan="",
        categories=("a", "b", "c") if c == "commercial" and not i else (),
    )
    for c in COMPONENTS
    for i, d in enumerate((Direction.UNKNOWN, Direction.SAFER, Direction.RISKIER))
)


def book(rows, seed):
    """Accounts whose churn follows features of all components, and one that no tree may read with another's."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 9))
    matrix[:, 6] = rng.integers(0, 3, rows)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    known = np.nan_to_num(matrix)
    z = known[:, [2, 5, 8]].sum(axis=1) - known[:, [1, 4]].sum(axis=1) + known[:, 0] * known[:, 3] + (known[:, 6] == 2)
    return matrix, rng.random(rows) < 1 / (1 + np.exp(2 - z))


def area(text, seed=1):
    later, churned = book(40_000, seed)
    return roc_auc_score(churned, lgb.Booster(model_str=text).predict(later))


def components_of_trees(text):
    """The components whose features each tree reads."""

    def read(node):
        if "split_feature" not in node:
            return set()
        return {FEATURES[node["split_feature"]].component} | read(node["left_child"]) | read(node["right_child"])

    return [read(tree["tree_structure"]) for tree in lgb.Booster(model_str=text).dump_model()["tree_info"]]


def wrong_ways(text):
    """Rows whose risk falls when a riskier feature rises, or rises when a safer one does."""
    booster, (rows, _) = lgb.Booster(model_str=text), book(2_000, 2)
    wrong = 0
    for j, feature in enumerate(FEATURES):
        sign = {Direction.SAFER: -1, Direction.RISKIER: 1}.get(feature.more_is, 0)
        more = rows.copy()
        more[:, j] += 1
        change = booster.predict(more, raw_score=True) - booster.predict(rows, raw_score=True)
        wrong += int((sign * change[~np.isnan(rows[:, j])] < -1e-9).sum())
    return wrong


def grown_here(shape, rounds=ROUNDS):
    told, (rows, churned) = parameters(FEATURES, shape), book(20_000, 0)
    data = dataset(rows, churned, FEATURES)
    data.params = dict(told)
    return worker.grown(told, data, rounds)


@pytest.mark.parametrize("shape", SHAPES, ids=["4 leaves", "7 leaves", "15 leaves"])
def test_a_tree_that_is_begun_twice_is_as_good_as_one_whose_components_lightgbm_keeps_apart(shape):
    found, wanted = grown_here(shape), fit_here(*book(20_000, 0), FEATURES, shape, ROUNDS)
    assert abs(area(found) - area(wanted)) < 0.002
    kinds = components_of_trees(found)
    assert {len(kind) for kind in kinds} == {1}
    assert set().union(*kinds) == set(COMPONENTS)
    assert wrong_ways(found) == 0
    assert lgb.Booster(model_str=found).num_trees() == ROUNDS


def test_features_that_cannot_split_are_passed_over():
    told, churned = parameters(FEATURES, SHAPES[0]), np.arange(2_000) % 5 == 0
    data = dataset(np.zeros((2_000, 9)), churned, FEATURES)
    data.params = dict(told)
    assert lgb.Booster(model_str=worker.grown(told, data, 3)).predict(np.ones((1, 9))) == pytest.approx(0.2)


class TestOnSpark:
    @pytest.fixture
    def two(self, spark, tmp_path):
        return Cluster(spark, tmp_path, 2)

    def test_two_workers_learn_what_one_process_does(self, two):
        """Of fewer rounds than above: workers that wait for each other at every split take their time."""
        rows, churned = book(20_000, 0)
        found = two.fit(rows, churned, FEATURES, SHAPES[1], 80)
        assert abs(area(found) - area(fit_here(rows, churned, FEATURES, SHAPES[1], 80))) < 0.002
        assert {len(kind) for kind in components_of_trees(found)} == {1}
        assert wrong_ways(found) == 0
        assert "[num_machines: 2]" in found
        assert not re.search(r"\d+\.\d+\.\d+\.\d+:\d+", found)
        assert list(two.home.iterdir()) == []

    def test_the_same_rows_give_the_same_text(self, two):
        first, second = (two.fit(*book(2_000, 0), FEATURES, SHAPES[0], 10) for _ in range(2))
        assert first == second

    def test_one_worker_needs_no_network(self, spark, tmp_path):
        found = Cluster(spark, tmp_path, 1).fit(*book(5_000, 0), FEATURES, SHAPES[0], 5)
        assert "[num_machines: 1]" in found

    def test_a_worker_that_fails_is_told_with_its_own_words_and_leaves_nothing(self, two, monkeypatch):
        def broken(*_):
            def work(batches):
                raise MemoryError("4 GB are not enough")
                yield

            return work

        monkeypatch.setattr(worker, "worker", broken)
        with pytest.raises(
            EvidenceError, match=r"training over Spark failed: MemoryError: 4 GB are not enough\. Every"
        ):
            two.fit(*book(200, 0), FEATURES, SHAPES[0], 5)
        assert list(two.home.iterdir()) == []

    def test_more_workers_than_task_slots_are_refused_before_anything_is_asked_of_them(self, spark):
        assert clusters._workers(spark, None) == 2
        with pytest.raises(
            EvidenceError, match=r"by 3 workers needs as many .* has 2 \(2 cores, 1 a task\): ask for 2"
        ):
            clusters._workers(spark, 3)


def test_of_a_lost_worker_java_tells_the_reason():
    told = (
        "An error occurred while calling o1.collect.\n: org.apache.spark.SparkException: Job aborted: executor lost.\n"
    )
    assert (
        clusters._reason(Exception(told + "\tat org.apache"))
        == "org.apache.spark.SparkException: Job aborted: executor lost"
    )


def test_executors_that_come_and_go_are_refused():
    session = SimpleNamespace(conf={"spark.dynamicAllocation.enabled": "true"})
    with pytest.raises(EvidenceError, match=r'set "spark.dynamicAllocation.enabled" = false in \[spark.settings\]'):
        clusters._workers(session, None)


@pytest.mark.usefixtures("quick_training")
def test_the_final_model_is_the_one_that_was_fitted_elsewhere(settings, book_of_history):
    history, split = book_of_history(accounts=100)
    asked = []

    def elsewhere(matrix, churned, features, shape, rounds):
        asked.append((matrix.shape, churned.sum(), shape, rounds))
        return fit_here(matrix, churned, features, shape, 3)

    found = learn(settings, history, split.development, split.folds, lambda *_: None, fit_all=elsewhere)
    churners = (history.churned & split.development).sum()
    assert asked == [((split.development.sum(), 3), churners, found.forward.shape, found.forward.rounds)]
    assert lgb.Booster(model_str=found.bundle.booster.text).num_trees() == 3


class TestCommand:
    @pytest.fixture
    def config(self, tmp_path):
        path = tmp_path / "keepwell.toml"
        path.write_text('[sources.subscriptions]\npath = "terms.csv"\n', encoding="utf-8")
        return path

    def test_without_pyspark_nothing_is_begun(self, cli, config, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyspark", None)
        ran = cli("train", "--distributed", "--config", str(config))
        assert (ran.code, ran.out) == (1, "")
        assert 'pip install "keepwell[spark]"' in ran.err
        assert not (config.parent / ".keepwell" / "reports").exists()

    def test_workers_are_of_a_distributed_fit(self, cli, config):
        ran = cli("train", "--workers", "2", "--config", str(config))
        assert ran.code == 2
        assert "--workers needs --distributed" in ran.err
