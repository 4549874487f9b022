"""Ranks, so that the checks see order and not units."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.split import Rows

Array = NDArray[np.float64]


def ranked(matrix: Array) -> Array:
    """Columns as ranks in [-0.5, 0.5], missing in the middle."""
    ranks = np.zeros(matrix.shape)
    for j, column in enumerate(matrix.T):
        known = np.flatnonzero(~np.isnan(column))
        ranks[known, j] = rankdata(column[known]) / (len(known) + 1) - 0.5
    return ranks


def correlation(left: Array, right: Array, weight: Array | None = None) -> Array:
    """Weighted correlation of each left column with each right one; 0 where one does not vary."""
    w = np.ones(len(left)) if weight is None else weight
    a, b = (side - np.average(side, axis=0, weights=w) for side in (left, right))
    spread = np.sqrt(np.outer(w @ a**2, w @ b**2))
    return np.divide((a * w[:, None]).T @ b, spread, out=np.zeros(spread.shape), where=spread > 0)


def among_equals(ranks: Array, churned: Rows) -> Array:
    """Ranks less the mean of the rows of the same fate."""
    centred = ranks.copy()
    for fate in (churned, ~churned):
        if fate.any():
            centred[fate] -= ranks[fate].mean(axis=0)
    return centred
