"""Rolling origins: each judged by what was known then, all told together in the words of a training run."""

import numpy as np
import pytest

from features.config import load
from features.engine import open_engine
from features.synthetic import simulate, write
from training.backtest import backtest
from training.errors import EvidenceError

ORIGINS = 2


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    company = simulate(accounts=300, months=16, seed=6, messy=False, rate=0.05)
    return load(write(company, tmp_path_factory.mktemp("backtest")))


@pytest.fixture(scope="module")
def told(settings, quickly):
    with open_engine(settings.home_dir) as engine, quickly():
        return backtest(settings, engine, ORIGINS, lambda *_: None)


def test_the_whole_is_all_origins_together(told):
    assert (len(told["origins"]), told["refused"]) == (ORIGINS, [])
    for counted in ("n", "churners"):
        assert told["test"][counted] == sum(origin[counted] for origin in told["origins"])


def test_origins_follow_each_other(told):
    dates = [origin["test_from"] for origin in told["origins"]]
    assert dates == sorted(set(dates))


def test_health_is_told_of_every_origin_not_of_the_last(told):
    tiers, test = told["health"]["tiers"], told["test"]
    share = {name: tier["share"]["value"] for name, tier in tiers.items()}
    lost = sum(share[n] * (t["churn_rate"]["value"] or 0) for n, t in tiers.items() if share[n])
    assert sum(share.values()) == pytest.approx(1)
    assert lost == pytest.approx(test["churners"] / test["n"])
    aucs = [origin["health_auc"]["value"] for origin in told["origins"]]
    assert told["health"]["auc"]["value"] != pytest.approx(aucs[-1], abs=1e-6)
    assert min(aucs) - 0.1 < told["health"]["auc"]["value"] < max(aucs) + 0.1


def test_it_is_the_object_of_a_training_run(told):
    assert told.keys() >= {"model_version", "data", "test", "benchmarks", "health", "leaks", "origins"}
    assert told["benchmarks"].keys() >= {"base_rate", "recency", "hand_weights", "logistic", "plain_lightgbm"}
    assert not told.keys() & told["last_origin"].keys()
    assert np.isfinite(told["test"]["auc"]["value"])


def test_a_history_too_short_for_any_origin_is_refused(tmp_path):
    settings = load(write(simulate(accounts=60, months=6, seed=1, messy=False), tmp_path))
    with open_engine(settings.home_dir) as engine, pytest.raises(EvidenceError, match="no origin could be judged"):
        backtest(settings, engine, 2, lambda *_: None)
