"""What the notebooks measure: an untuned model, judged as it should be and with the usual mistakes."""

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features import table
from features.engine import Engine
from features.sources import Staged
from training import metrics
from training.benchmarks import plain_lightgbm
from training.history import History
from training.intervals import Figure, clustered
from training.split import Rows, Split

Array = NDArray[np.float64]


def plain(history: History, learn: Rows, test: Rows) -> dict[str, Figure]:
    """Figures of untuned LightGBM that learned from some rows, judged on others; account-clustered intervals."""
    churned = history.churned
    predicted = plain_lightgbm(history.matrix[learn], churned[learn], history.values(test))
    return clustered(metrics.statistic(churned[test], predicted), history.accounts[test], draws=200)


def ranked_by(history: History, rows: Rows, values: Array) -> Figure:
    """AUC of one feature's values alone, more meaning riskier; unknown ones rank as the riskiest."""
    order = np.searchsorted(np.sort(values), values) / len(values)
    return clustered(metrics.statistic(history.churned[rows], order[rows]), history.accounts[rows], draws=200)["auc"]


def by_lot(history: History, split: Split, seed: int = 0) -> tuple[Rows, Rows]:
    """The mistake: rows to learn from and to test on drawn at random, as many of each as the split by time has."""
    judged = np.flatnonzero(split.development | split.test)
    drawn = np.random.default_rng(seed).permutation(judged)
    sides = drawn[int(split.test.sum()) :], drawn[: int(split.test.sum())]
    learn, test = (np.isin(np.arange(len(history.accounts)), side) for side in sides)
    return learn, test


def cut_at(engine: Engine, staged: Staged, history: History, moment: datetime) -> pd.DataFrame:
    """The mistake: every row's features as they are at one late moment, not at the row's own snapshot."""
    engine.create("cut", f"SELECT DISTINCT account_id, {engine.moment(moment)} AS snapshot_at FROM spine")
    found: pd.DataFrame = table.build(engine, staged, history.catalogue, "cut").to_pandas().set_index("account_id")
    return found.reindex(history.accounts)[history.catalogue.names]
