"""One small simulated company, learned from and judged once for all tests that need a whole training run."""

import copyreg
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.catalogue import Catalogue, Vocabulary
from features.config import Settings, load
from features.declare import Direction, Feature
from features.engine import open_engine
from features.synthetic import simulate, write
from serving.booster import Booster
from training.history import History
from training.labels import CHURNED, STAYED, Labels
from training.run import train
from training.split import Split, forward_folds


@pytest.fixture(scope="session")
def raw():
    """The company itself: 400 accounts over eighteen months, whose relationship counts as much as their support."""
    weights = {"usage": 0.4, "feedback": 0.2, "support": 0.2, "relationship": 0.2}
    return simulate(accounts=400, months=18, seed=4, messy=False, weights=weights)


copyreg.pickle(Booster, lambda booster: (Booster, (booster.text,)))  # so that a training can be shared


@pytest.fixture(scope="session")
def trained(raw, shared):
    """A whole training run, without the leak checks."""
    return shared("training", lambda folder: training_of(raw, folder))


def training_of(company, folder):
    settings = load(write(company, folder / "company"))
    with open_engine(settings.home_dir) as engine:
        return train(settings, engine, lambda *_: None, leaks=False)


@pytest.fixture(scope="session")
def silence(tmp_path_factory):
    """A training run of a company whose churn follows nothing that its data hold."""
    company = simulate(accounts=300, months=14, seed=1, messy=False, signal=0.0)
    return training_of(company, tmp_path_factory.mktemp("silence"))


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """The smallest configuration there is."""
    root, sources = tmp_path_factory.mktemp("root"), {"usage": {"path": "usage.csv"}}
    return Settings.model_validate({"root": root, "sources": sources, "churn": {"kind": "inactivity"}})


DAY_ONE = np.datetime64("2025-01-01", "us")


@pytest.fixture(scope="session")
def history_of():
    """A history by hand: features by name, account and day of each row, and the rows whose account churned."""

    def make(features, columns, accounts, days, churned):
        moments = DAY_ONE + np.asarray(days) * np.timedelta64(1, "D")
        outcome = np.where(churned, CHURNED, STAYED)
        left_at = pd.Series(moments + np.timedelta64(14, "D")).where(np.asarray(churned))
        table = pd.DataFrame(
            {"account_id": accounts, "snapshot_at": moments, "outcome": outcome, "churned_at": left_at}
        )
        catalogue = Catalogue(tuple(features), Vocabulary((), (), {}))
        labels = Labels(table, datetime(2026, 1, 1))
        frame = pd.DataFrame(columns, columns=[f.name for f in features], dtype=float)
        return History(frame, np.array(accounts, dtype=str), moments, labels, catalogue)

    return make


@pytest.fixture(scope="session")
def three_features():
    """One feature each of usage, support and commercial."""

    def declared(name, component, more_is, unit="days"):
        return Feature(name, name, name, unit, "0", more_is, component=component, scan=component)

    return (
        declared("days_since_last_use", "usage", Direction.RISKIER),
        declared("tickets_open", "support", Direction.RISKIER, "tickets"),
        declared("mrr", "commercial", Direction.UNKNOWN, "money a month"),
    )


@pytest.fixture(scope="session")
def book_of_history(history_of, three_features):
    """200 accounts at 12 moments 28 days apart, with the split that tests on the last three of them."""

    def make(churned=None, columns=None, seed=0, accounts=200, moments=12):
        rng = np.random.default_rng(seed)
        n = accounts * moments
        drawn = np.column_stack([rng.exponential(10, n), rng.poisson(1, n), rng.lognormal(4, 1, n)])
        columns = drawn if columns is None else columns
        risk = 1 / (1 + np.exp(3.5 - drawn[:, 0] / 10 - drawn[:, 1] / 2))
        churned = rng.random(n) < risk if churned is None else churned
        moment, account = np.indices((moments, accounts)).reshape(2, -1)
        history = history_of(three_features, columns, [f"a{i}" for i in account], 28 * moment, churned)
        development, test = moment < moments - 4, moment >= moments - 3
        folds = forward_folds(history.moments, development, 28)
        return history, Split(development, test, folds, datetime(2025, 9, 10), datetime(2025, 8, 13))

    return make
