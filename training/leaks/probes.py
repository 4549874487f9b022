"""What the leak checks measure: how much a feature tells alone, where it is certain, and what else knows of it.

Everything is measured on development rows of at most `MOST_ROWS` rows' worth of accounts, so that the checks
take seconds on any history. Predictions are forward in time (learnt before a slice, made on it) or across
halves of the accounts; no row is ever predicted by a model that saw its account's outcome for that row.
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.intervals import Figure, Statistic, clustered
from training.leaks.ranks import Array, among_equals, correlation, ranked
from training.leaks.sample import NOWHERE, Codes, Sample
from training.split import Rows

LEVELS = 30
"""A column of at most this many values is read value by value, any other in quantile bins."""
QUANTILES = (0.005, 0.01, 0.02, 0.05, *np.arange(0.1, 0.91, 0.1).round(1), 0.95, 0.98, 0.99, 0.995)
SMALL = {
    "objective": "binary",
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "max_bin": 63,
    "num_threads": 1,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 7,
}
ROUNDS = 40
TWIN = 0.95
"""Columns whose rank correlation is beyond this are readings of the same thing."""


def binned(column: Array, seen: Array) -> Codes:
    """The bin of each value: 0 is missing, then values (or quantile bins of `seen`) in rising order."""
    known = seen[~np.isnan(seen)]
    values = np.unique(known)
    edges = values[1:] if len(values) <= LEVELS else np.unique(np.quantile(known, QUANTILES))
    return np.where(np.isnan(column), 0, 1 + np.searchsorted(edges, column, side="right"))


def alone(sample: Sample, column: Array) -> Array:
    """Churn rate by bin of one column, learnt before each later slice, on the rows `sample.judged`."""
    parts = []
    for learn, predict in sample.looks:
        bins, churned = binned(column, column[learn]), sample.churned[learn]
        n = np.bincount(bins[learn], minlength=bins.max() + 1)
        lost = np.bincount(bins[learn], churned, minlength=len(n))
        parts.append(((lost + 10 * churned.mean()) / (n + 10))[bins[predict]])
    return np.concatenate(parts)


def expected(sample: Sample, target: Rows, columns: Array) -> Array:
    """Probability of `target` for each row from the other half of the accounts, by a small LightGBM."""
    found = np.full(len(target), target.mean())
    for half in (sample.half, ~sample.half):
        if 0 < target[half].sum() < half.sum() and (~half).any():
            data = lgb.Dataset(columns[half], target[half].astype(np.float64))
            found[~half] = lgb.train(SMALL, data, ROUNDS).predict(columns[~half])
    return found


def forward(columns: Array, target: Rows, learn: Codes, predict: Codes) -> Array:
    """Place of each later row among those predicted, in [0, 1], by a small LightGBM on the earlier ones."""
    if not 0 < target[learn].sum() < len(learn):
        return np.full(len(predict), 0.5)
    booster = lgb.train(SMALL, lgb.Dataset(columns[learn], target[learn].astype(np.float64)), ROUNDS)
    places: Array = rankdata(booster.predict(columns[predict])) / len(predict)
    return places


def rest_of(sample: Sample, feature: int) -> NDArray[np.bool_]:
    """Columns that are not a reading of the same signal as `feature`, nor its twin under another name."""
    twin = np.abs(sample.likeness[feature]) > TWIN
    rest: NDArray[np.bool_] = (np.array(sample.signals) != sample.signals[feature]) & ~twin
    return rest


def corroborated(
    sample: Sample, own: Array, rest: NDArray[np.bool_], shifted: Array | None = None, *, past: bool = True
) -> float:
    """Share of a column's variance that others tell among accounts of equal fate (adjusted R², rank scale).

    A noisy copy of the outcome is unrelated to everything else once the outcome is given; a state of the
    account is not. Others are the `rest` of the sample's columns, with `past` the column's own value one label
    window before and, where it was measured, its `shifted` reading.
    """
    before = np.where(sample.earlier == NOWHERE, np.nan, own[sample.earlier])
    readings = [own, *([before] if past else []), *([] if shifted is None else [shifted])]
    mine = among_equals(ranked(np.column_stack(readings)), sample.churned)
    answer, others = mine[:, 0], np.column_stack([mine[:, 1:], sample.equals[:, rest]])
    gram = others.T @ others + 1e-6 * len(others) * np.eye(others.shape[1])
    told = others.T @ answer
    rows, used = others.shape
    whole = answer @ answer
    left = whole - told @ np.linalg.solve(gram, told)
    return float(1 - left / whole * (rows - 1) / max(1, rows - used - 1)) if whole > 0 else 0.0


def looks_ahead(own: Array, here: Array, there: Array, accounts: Codes, seed: int) -> Figure:
    """How much closer a column is to what else was known later (`there`) than to what was known then (`here`).

    All are ranks. Ratio of summed squared correlations: what is computed from the past is closest to what else
    was known at the time, so the ratio is about 1 or below.
    """

    def ratio(weight: Array) -> dict[str, float]:
        near, far = (float((correlation(own[:, None], side, weight) ** 2).sum()) for side in (here, there))
        return {"ratio": far / near if near > 0 else np.nan}

    return clustered(ratio, accounts, draws=40, seed=seed)["ratio"]


def closeness(sample: Sample, kept: Array) -> tuple[Array, Array]:
    """Squared correlations of all columns with all columns of their own, and of the account's next, snapshot."""
    now = np.flatnonzero(sample.later != NOWHERE)
    own, following = kept[now], kept[sample.later[now]]
    return correlation(own, own) ** 2, correlation(own, following) ** 2


def auc(score: Array, churned: Rows) -> Statistic:
    """Area under the ROC curve as a function of row weights; ties count one half."""
    levels, place = np.unique(score, return_inverse=True)

    def measured(weight: Array) -> dict[str, float]:
        lost = np.bincount(place, weight * churned, minlength=len(levels))
        kept = np.bincount(place, weight * ~churned, minlength=len(levels))
        pairs = lost.sum() * kept.sum()
        return {"auc": float(lost @ (np.cumsum(kept) - kept / 2) / pairs) if pairs > 0 else np.nan}

    return measured


def within_fate(member: Rows, foretold: Array, churned: Rows) -> float:
    """AUC of a foretold membership among churners and among stayers, weighed by what each can tell."""
    areas, weights = [], []
    for fate in (churned, ~churned):
        inside, outside = int((member & fate).sum()), int((~member & fate).sum())
        if min(inside, outside) >= 5:
            areas.append(auc(foretold[fate], member[fate])(np.ones(fate.sum()))["auc"])
            weights.append(1 / (1 / inside + 1 / outside))
    return float(np.average(areas, weights=weights)) if areas else 0.5


def is_static(sample: Sample, column: Array) -> bool:
    """Whether (nearly) every account keeps one value over all its snapshots."""
    values, code = np.unique(column, return_inverse=True)
    pairs = len(np.unique(sample.accounts * len(values) + code))
    accounts = np.unique(sample.accounts)
    repeated = len(sample.accounts) > 1.5 * len(accounts)
    return bool(repeated and len(values) > 1 and pairs <= 1.01 * len(accounts))


@dataclass(frozen=True)
class Region:
    """Part of a column's range: which rows, in words, and whether it is a bin of values."""

    words: str
    rows: Rows
    is_bin: bool


def regions(column: Array) -> list[Region]:
    """Parts of a column that a leak could mark: missing, present, not the commonest value, each bin."""
    bins = binned(column, column)
    missing, commonest = np.isnan(column), bins == np.bincount(bins).argmax()
    found = [
        Region("is missing", missing, False),
        Region("is present", ~missing, False),
        Region("is not its commonest value", ~commonest, False),
    ]
    for number in np.unique(bins[bins > 0]):
        low, high = column[bins == number].min(), column[bins == number].max()
        found.append(Region(f"is {low:g}" if low == high else f"is {low:g} to {high:g}", bins == number, True))
    return [region for region in found if 0 < region.rows.sum() < len(column)]
