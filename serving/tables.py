"""All that a model's SHAP values can be, worked out once and laid out so that a row only looks them up."""

from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from serving.booster import Array, Booster
from serving.groups import Group, grouped, values_of
from serving.trees import edges_of, leaves_of, read_trees

MOST_VALUES = 4_000_000
"""Of all tables of a model, 32 MB. 300 trees of 15 leaves need a fifth; many deep trees need more than there is."""
BLOCK = 32
"""Rows looked up together: what is made on the way stays in the processor's cache."""
AGREE = 1e-9
"""Log-odds between LightGBM's values and the tables' at which the tables are not those of this model."""

Codes = NDArray[np.intp]


class Tables:
    """Every group's table, one after the other, and what leads a row to its values in ten steps of numpy.

    A place is between which edges a feature's value lies. A pair is a group and a feature of it: in the groups' order
    the pairs' codes add up to the row's cell, in the features' order their values add up to the feature's.
    """

    def __init__(self, groups: list[Group], edges: dict[int, Array], width: int, base: float) -> None:
        self._width, self._base = width, base
        self._features = np.array([*edges])
        sizes = [len(at) for at in edges.values()]
        self._edges, self._edge_starts = np.concatenate([*edges.values()]), _starts(sizes)
        self._edge_of, self._unknown = np.repeat(self._features, sizes), np.array(sizes)
        codes = [code for group in groups for code in _codes(group, edges)]
        self._codes, self._code_starts = np.concatenate(codes), _starts(map(len, codes))
        pairs = np.array([feature for group in groups for feature in group.sides])
        self._places_of = np.searchsorted(self._features, pairs)
        self._group_starts = _starts(len(group.sides) for group in groups)
        self._values = np.concatenate([values_of(group).ravel() for group in groups])
        by_feature = np.argsort(pairs, kind="stable")
        self._cells_of = np.repeat(np.arange(len(groups)), [len(group.sides) for group in groups])[by_feature]
        self._value_starts = _starts(group.cells for group in groups for _ in group.sides)[by_feature]
        self._feature_starts = np.searchsorted(pairs[by_feature], self._features)

    def look_up(self, rows: Array) -> Array:
        """SHAP values (n, features + 1); a row's are the same bits whatever rows stand beside it."""
        found = np.zeros((len(rows), self._width + 1))
        room = np.empty((2, min(len(rows), BLOCK), len(self._places_of)), dtype=np.intp)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            found[start : start + BLOCK, self._features] = self._values_of(block, *room[:, : len(block)])
        found[:, -1] = self._base
        return found

    def _values_of(self, rows: Array, at: Codes, read: Codes) -> Array:
        """Of each feature that the model reads, in two arrays (n, pairs) to work in: to ask for them takes long."""
        above = rows.take(self._edge_of, axis=1) > self._edges
        places = np.add.reduceat(above, self._edge_starts, axis=1, dtype=np.intp)
        places += np.isnan(rows.take(self._features, axis=1)) * self._unknown
        places.take(self._places_of, axis=1, out=at, mode="clip")
        at += self._code_starts
        self._codes.take(at, out=read, mode="clip")
        np.add.reduceat(read, self._group_starts, axis=1).take(self._cells_of, axis=1, out=at, mode="clip")
        at += self._value_starts
        values = self._values.take(at, out=read.view(np.float64), mode="clip")
        summed: Array = np.add.reduceat(values, self._feature_starts, axis=1)
        return summed


def build(booster: Booster) -> Tables | None:
    """The tables of a model; None where it has no split, does not fit, or is not the sum of the trees in its text."""
    trees = read_trees(booster.text)
    edges = edges_of(trees)
    everywhere = {feature: (1 << len(at) + 1) - 1 for feature, at in edges.items()}
    if not edges or not all(tree.is_seen for tree in trees):
        return None
    groups = [group for tree in trees if tree.splits for group in grouped(leaves_of(tree, edges), everywhere)]
    if sum(group.cells * len(group.sides) for group in groups) > MOST_VALUES:
        return None
    rows = _some_rows(booster, edges)
    wanted = booster.contributions(rows)
    found = Tables(groups, edges, booster.features, float(wanted[0, -1]))
    return found if np.abs(found.look_up(rows) - wanted).max() <= AGREE else None


def _some_rows(booster: Booster, edges: dict[int, Array]) -> Array:
    """Rows at places all over, a little above the edges, the last of them unknown everywhere."""
    rows = np.full((8, booster.features), np.nan)
    for feature, at in edges.items():
        chosen = np.random.default_rng(feature).choice(at, len(rows) - 1)
        rows[:-1, feature] = chosen + 1e-9 * np.abs(chosen)
    return rows


def _codes(group: Group, edges: dict[int, Array]) -> list[Codes]:
    """By feature what each place adds to the number of the row's cell."""
    found, step = [], group.cells
    for feature, sides in group.sides.items():
        step //= len(sides)
        code = np.zeros(len(edges[feature]) + 1, dtype=np.intp)
        for i, side in enumerate(sides):
            code[_flags(side, len(code))] = i * step
        found.append(code)
    return found


def _flags(bits: int, count: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(bits.to_bytes(count // 8 + 1, "little"), dtype=np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little").view(np.bool_)


def _starts(lengths: Iterable[int]) -> Codes:
    """Where each part begins if parts of these lengths stand one after the other."""
    return np.array([0, *accumulate(lengths)][:-1])
