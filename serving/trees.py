"""The trees of a model, read from LightGBM's text: what is asked of a row, which way it goes, and where it ends."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

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


@dataclass(frozen=True)
class Tree:
    """Splits are numbered from 0, the root; a number below 0 is that of a leaf, `~number`.

    `left` and `right` lead on from each split; `values` are the leaves' log-odds, `rows` and `leaf_rows` say how many
    rows of training came to each split and leaf. A tree of one leaf has no splits.
    """

    splits: list[Split]
    left: list[int]
    right: list[int]
    values: list[float]
    rows: list[int]
    leaf_rows: list[int]

    @property
    def is_seen(self) -> bool:
        """Whether rows of training came everywhere."""
        return all(self.rows) and all(self.leaf_rows)

    def came(self, node: int) -> int:
        """How many rows of training came to a split or leaf."""
        return self.rows[node] if node >= 0 else self.leaf_rows[~node]


class Condition(NamedTuple):
    """What the splits on the way to a leaf ask of one feature.

    It holds at the places (`edges_of`) that are bits of `holds`; of the rows of training that came to those splits,
    `share` went on towards the leaf: the product of their shares, in (0, 1].
    """

    holds: int
    share: float


class Leaf(NamedTuple):
    """A leaf's log-odds, and the conditions on the way to it by feature."""

    value: float
    path: dict[int, Condition]


def read_trees(text: str) -> list[Tree]:
    """All trees of a model of LightGBM."""
    trees = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    return [_tree(dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)) for tree in trees]


def _tree(told: dict[str, str]) -> Tree:
    def numbers(name: str) -> list[int]:
        return [int(number) for number in told.get(name, "").split()]

    values = [float(value) for value in told["leaf_value"].split()]
    links = numbers("left_child"), numbers("right_child")
    return Tree(_splits(told), *links, values, numbers("internal_count"), numbers("leaf_count"))


def _splits(told: dict[str, str]) -> list[Split]:
    features, thresholds, kinds = (told.get(k, "").split() for k in ("split_feature", "threshold", "decision_type"))
    found = []
    for feature, threshold, kind in zip(map(int, features), map(float, thresholds), map(int, kinds), strict=True):
        codes = _categories(told, int(threshold)) if kind & CATEGORICAL else None
        found.append(Split(feature, threshold, kind, codes))
    return found


def _categories(told: dict[str, str], number: int) -> frozenset[int]:
    """The codes of a tree's n-th categorical split; LightGBM keeps them as bits of 32-bit words."""
    start, end = map(int, told["cat_boundaries"].split()[number : number + 2])
    words = enumerate(map(int, told["cat_threshold"].split()[start:end]))
    return frozenset(32 * place + bit for place, word in words for bit in range(32) if word >> bit & 1)


def _below(code: int) -> float:
    """The largest number that is below a code for LightGBM, which cuts the fraction off."""
    return float(np.nextafter(code, -1)) if code else -1.0


def edges_of(trees: Iterable[Tree]) -> dict[int, Array]:
    """By feature, rising, the values between which no tree changes its mind, the last of them infinity.

    Place i of a feature is `(edge i - 1, edge i]`; the place after the last is that of NaN.
    """
    found: dict[int, set[float]] = {}
    for split in (split for tree in trees for split in tree.splits):
        found.setdefault(split.feature, {np.inf}).update(split.edges)
    return {feature: np.array(sorted(found[feature])) for feature in sorted(found)}


def leaves_of(tree: Tree, edges: Mapping[int, Array]) -> Iterator[Leaf]:
    """The leaves of a tree that has splits, from left to right."""
    places = {feature: np.append(edges[feature], np.nan) for feature in {split.feature for split in tree.splits}}
    lefts = [_bits(split.goes_left(places[split.feature])) for split in tree.splits]
    ahead: list[tuple[int, dict[int, Condition]]] = [(0, {})]
    while ahead:
        node, path = ahead.pop()
        if node < 0:
            yield Leaf(tree.values[~node], path)
            continue
        feature = tree.splits[node].feature
        held = path.get(feature, Condition((1 << len(places[feature])) - 1, 1.0))
        for child, way in ((tree.right[node], ~lefts[node]), (tree.left[node], lefts[node])):
            share = held.share * tree.came(child) / tree.came(node)
            ahead.append((child, {**path, feature: Condition(held.holds & way, share)}))


def _bits(places: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(places, bitorder="little").tobytes(), "little")
