"""SHAP values of many rows at once: those of `Booster.contributions`, for the work of a few rows.

A tree sees of a row no more than which way it goes at each split. Rows that go the same ways are a cell and have the
same values in that tree, so LightGBM explains one row of each cell and the others look theirs up. This is exact; the
values are added up tree by tree instead of leaf by leaf, which moves them by rounding alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.booster import Array, Booster
from serving.splits import Split, splits_by_tree

ENOUGH_ROWS = 2_000
"""From this many rows on looking for cells pays; below, rows are explained one by one."""
BLOCK = 100_000
"""Rows looked at together: bounds the memory."""
MOST_CELLS = 2**16
"""Where a tree has more possible cells than this, those that occur are counted first."""

Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sides:
    """What a tree tells apart of one feature: the side of each place (`_places`), and how many sides there are."""

    of_place: Codes
    count: int


def contributions(booster: Booster, rows: Array) -> Array:
    """SHAP values of each row in log-odds, (n, features + 1), base last; within 1e-12 of `Booster.contributions`."""
    if len(rows) < ENOUGH_ROWS:
        return booster.contributions(rows)
    own = Booster(booster.text)  # explaining single trees is not for several threads
    trees = splits_by_tree(booster.text)
    edges = _edges(trees)
    sides = [_sides(tree, edges) for tree in trees]
    total = np.zeros((booster.features + 1, len(rows)))
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        places = {feature: _places(rows[block, feature], at) for feature, at in edges.items()}
        for tree, here in enumerate(sides):
            _add_tree(own, tree, here, places, rows[block], total[:, block])
    return total.T


def _edges(trees: list[list[Split]]) -> dict[int, Array]:
    """By feature the values at which any tree changes its mind, rising: between two of them all is the same."""
    found: dict[int, set[float]] = {}
    for split in (split for tree in trees for split in tree):
        found.setdefault(split.feature, set()).update(split.edges)
    return {feature: np.array(sorted(at)) for feature, at in found.items()}


def _places(column: Array, edges: Array) -> Codes:
    """How many edges lie below each value; for NaN one more than there are."""
    found = np.searchsorted(edges, column)
    found[np.isnan(column)] = len(edges) + 1
    return found


def _sides(tree: list[Split], edges: dict[int, Array]) -> dict[int, Sides]:
    """Places with the same way at all of the tree's splits are one side."""
    found = {}
    for feature in dict.fromkeys(split.feature for split in tree):
        one_of_each_place = np.array([*edges[feature], np.inf, np.nan])
        ways = [split.goes_left(one_of_each_place) for split in tree if split.feature == feature]
        different, of_place = np.unique(np.array(ways), axis=1, return_inverse=True)
        found[feature] = Sides(of_place, different.shape[1])
    return found


def _add_tree(
    booster: Booster, tree: int, sides: dict[int, Sides], places: dict[int, Codes], rows: Array, total: Array
) -> None:
    """Add one tree's values of rows (n, features) to a total of (features + 1, n)."""
    cell, cells = np.zeros(len(rows), dtype=np.intp), 1
    for feature, side in sides.items():
        cell += (cells * side.of_place).take(places[feature])
        cells *= side.count
        if cells > MOST_CELLS:
            occurring, cell = np.unique(cell, return_inverse=True)
            cells = len(occurring)
    row = np.full(cells, -1)
    row[cell] = np.arange(len(rows))  # any one of the cell
    occurs = row >= 0
    found = booster.tree_contributions(rows[row[occurs]], tree)
    values = np.zeros(cells)
    for feature in (*sides, -1):
        values[occurs] = found[:, feature]
        total[feature] += values.take(cell)
