"""The splits of a model's trees, read from LightGBM's text: what is asked of a row, and which way it goes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.booster import Array

CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING, MISSING_IS_ZERO, MISSING_IS_NAN = 12, 4, 8
"""Bits of LightGBM's `decision_type`, see its `tree.h`."""
ZERO = float(np.float32(1e-35))
"""LightGBM takes values no further from 0 than this for 0 (`kZeroThreshold`)."""


@dataclass(frozen=True)
class Split:
    """A row goes left if its value is at most `threshold`, or if its code is one of `categories` (None: a number)."""

    feature: int
    threshold: float
    kind: int
    categories: frozenset[int] | None = None

    @property
    def edges(self) -> set[float]:
        """Values between which all go the same way: `(edge, next edge]`."""
        found: set[float] = set()
        for code in self.categories or ():
            found ^= {_below(code), _below(code + 1)}
        if self.categories is None:
            found.add(self.threshold)
        if self.kind & MISSING == MISSING_IS_ZERO:
            found |= {float(np.nextafter(-ZERO, -1)), ZERO}
        return found

    def goes_left(self, values: Array) -> NDArray[np.bool_]:
        """Which way each value goes, as LightGBM decides it."""
        if self.categories is not None:
            return np.isin(np.trunc(values), list(self.categories))
        unknown = np.isnan(values)
        if self.kind & MISSING != MISSING_IS_NAN:
            values = np.where(unknown, 0.0, values)
            unknown = (np.abs(values) <= ZERO) & (self.kind & MISSING == MISSING_IS_ZERO)
        return np.where(unknown, bool(self.kind & DEFAULT_LEFT), values <= self.threshold)


def splits_by_tree(text: str) -> list[list[Split]]:
    """All splits of each tree; none of a tree that is one leaf."""
    trees = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    return [_splits(dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)) for tree in trees]


def _splits(tree: dict[str, str]) -> list[Split]:
    features, thresholds, kinds = (tree.get(k, "").split() for k in ("split_feature", "threshold", "decision_type"))
    found = []
    for feature, threshold, kind in zip(map(int, features), map(float, thresholds), map(int, kinds), strict=True):
        codes = _categories(tree, int(threshold)) if kind & CATEGORICAL else None
        found.append(Split(feature, threshold, kind, codes))
    return found


def _categories(tree: dict[str, str], number: int) -> frozenset[int]:
    """The codes of a tree's n-th categorical split; LightGBM keeps them as bits of 32-bit words."""
    start, end = map(int, tree["cat_boundaries"].split()[number : number + 2])
    words = enumerate(map(int, tree["cat_threshold"].split()[start:end]))
    return frozenset(32 * place + bit for place, word in words for bit in range(32) if word >> bit & 1)


def _below(code: int) -> float:
    """The largest number that is below a code for LightGBM, which cuts the fraction off."""
    return float(np.nextafter(code, -1)) if code else -1.0
