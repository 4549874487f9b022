"""What the model must beat: the base rate, recency alone, typical hand weights, logistic regression, plain LightGBM.

Each learns from the development rows and is judged on the same test rows as the model.
"""

from collections.abc import Callable

import lightgbm as lgb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer

from serving.health import TYPICAL, health
from serving.score import plain_scores
from training.model import Array, Matrix
from training.split import Rows


def benchmarks(
    names: list[str], matrix: Matrix, churned: Rows, development: Rows, test: Rows, few: Rows | None = None
) -> dict[str, Array]:
    """Churn probability of every test row by each benchmark that the data allow.

    Those with few parameters learn from `few` of the development rows, or from all.
    """
    few = development if few is None else few
    learn, truth, later = np.asarray(matrix[few]), churned[few], np.asarray(matrix[test])
    contenders: dict[str, Callable[[], Array]] = {
        "base_rate": lambda: np.full(len(later), churned[development].mean()),
        "recency": lambda: _one_input(_recency(names, learn), truth, _recency(names, later)),
        "hand_weights": lambda: _one_input(hand_health(names, learn), truth, hand_health(names, later)),
        "logistic": lambda: _logistic(learn, truth, later),
        "plain_lightgbm": lambda: plain_lightgbm(matrix[development], churned[development], later),
    }
    return {name: predict() for name, predict in contenders.items()}


def hand_health(names: list[str], rows: Array) -> Array:
    """Health under the typical weights 45/25/20/10 and the shipped step maps, over the components there are."""
    return health(plain_scores(names, rows), TYPICAL)


def plain_lightgbm(learn: Matrix, truth: Rows, later: Array) -> Array:
    """LightGBM's defaults, untuned, on the same features."""
    booster = lgb.train({"objective": "binary", "verbose": -1, "seed": 7}, lgb.Dataset(learn, truth.astype(float)), 100)
    found: Array = booster.predict(later)
    return found


def _recency(names: list[str], rows: Array) -> Array:
    """Days since the last use; without usage, days of contract tenure (the newest customers leave first)."""
    for name in ("days_since_last_use", "contract_tenure_days", "account_age_days"):
        if name in names:
            return rows[:, names.index(name)]
    return np.zeros(len(rows))


def _one_input(learn: Array, truth: Rows, later: Array) -> Array:
    """A logistic curve over one input, unknown values at the input's median."""
    known = learn[np.isfinite(learn)]
    middle = float(np.median(known)) if len(known) else 0.0
    scale = float(np.std(known)) if len(np.unique(known)) > 1 else 1.0

    def column(values: Array) -> Array:
        return ((np.nan_to_num(values, nan=middle) - middle) / scale).reshape(-1, 1)

    found: Array = LogisticRegression(C=1e6).fit(column(learn), truth).predict_proba(column(later))[:, 1]
    return found


def _logistic(learn: Array, truth: Rows, later: Array) -> Array:
    """Ridge logistic regression on rank-scaled features, with a flag for each value that is unknown."""
    kept = np.flatnonzero(np.nanmax(learn, axis=0, initial=-np.inf) > np.nanmin(learn, axis=0, initial=np.inf))
    if not len(kept):
        return np.full(len(later), truth.mean())
    middles = np.nanmedian(learn[:, kept], axis=0)

    def filled(rows: Array) -> Array:
        unknown = np.isnan(rows[:, kept])
        return np.hstack([np.where(unknown, middles, rows[:, kept]), unknown])

    pipeline: Pipeline = make_pipeline(
        QuantileTransformer(n_quantiles=min(200, len(learn)), output_distribution="normal", random_state=0),
        LogisticRegression(C=0.01, max_iter=500),
    )
    found: Array = pipeline.fit(filled(learn), truth).predict_proba(filled(later))[:, 1]
    return found
