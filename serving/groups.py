"""Leaves of a model in groups whose SHAP values can be written down.

The value of a leaf is a game of its path's features: the leaf's log-odds times, for each feature, 1 or 0 (the row meets
the leaf's condition or not) if the feature plays, and the share of training that met it if not (path-dependent
TreeSHAP, Lundberg et al. 2020). A model is the sum of its leaves, so they can be taken together as one likes. Here
neighbours are, as long as the rows that they tell apart are few.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np

from serving.booster import Array
from serving.trees import Leaf

MOST_CELLS = 512
"""Of a group of several leaves. Fewer make more groups to look up, more make tables that no cache holds (measured)."""


@dataclass(frozen=True)
class Group:
    """Leaves that are looked up together, and by feature its sides.

    A side is places (bits, as in `trees.Condition`) that no leaf here tells apart; a cell is a side of each feature.
    """

    leaves: list[Leaf]
    sides: dict[int, list[int]]

    @property
    def cells(self) -> int:
        """How many kinds of rows the leaves tell apart."""
        return prod(map(len, self.sides.values()))


def grouped(leaves: Iterable[Leaf], everywhere: dict[int, int]) -> list[Group]:
    """Leaves in groups of neighbours; `everywhere` has all places of each feature."""
    found: list[Group] = []
    for leaf in leaves:
        joined = _joined(found[-1], leaf, everywhere) if found else None
        if joined is not None and joined.cells <= MOST_CELLS:
            found[-1] = joined
        else:
            found.append(_joined(Group([], {}), leaf, everywhere))
    return found


def _joined(group: Group, leaf: Leaf, everywhere: dict[int, int]) -> Group:
    """The group with one leaf more, which may cut sides in two."""
    cut = {
        feature: [
            part
            for side in group.sides.get(feature, [everywhere[feature]])
            for part in (side & condition.holds, side & ~condition.holds)
            if part
        ]
        for feature, condition in leaf.path.items()
    }
    return Group([*group.leaves, leaf], {**group.sides, **cut})


def values_of(group: Group) -> Array:
    """SHAP values of each cell, (features, cells), both in the order of `group.sides`.

    The Shapley value of a product of players is an integral over t, the chance that another player takes part, of a
    polynomial; Gauss and Legendre's rule gives it exactly. No term is negative, so nothing cancels.
    """
    side = np.indices([len(sides) for sides in group.sides.values()]).reshape(len(group.sides), -1)
    met = np.stack([_met(group, feature).take(side[i], axis=1) for i, feature in enumerate(group.sides)])
    shares = np.array([[_share(leaf, feature) for leaf in group.leaves] for feature in group.sides])[:, :, None]
    total = np.zeros(met.shape)
    for t, weight in _quadrature(len(group.sides)):
        factors = t * met + (1 - t) * shares
        total += weight * factors.prod(axis=0) / factors
    total *= met - shares
    values: Array = np.einsum("flc,l->fc", total, [leaf.value for leaf in group.leaves])
    return values


def _met(group: Group, feature: int) -> Array:
    """1 where a leaf's condition on a feature is met, (leaves, sides); always met where there is none."""
    asked = [leaf.path[feature].holds if feature in leaf.path else -1 for leaf in group.leaves]
    return np.array([[1.0 if side & holds else 0.0 for side in group.sides[feature]] for holds in asked])


def _share(leaf: Leaf, feature: int) -> float:
    return leaf.path[feature].share if feature in leaf.path else 1.0


@cache
def _quadrature(players: int) -> list[tuple[float, float]]:
    """Points in (0, 1) and weights that integrate what the other players multiply to, of degree players - 1."""
    points, weights = np.polynomial.legendre.leggauss(players // 2 + 1)
    return [((1 + x) / 2, w / 2) for x, w in zip(points.tolist(), weights.tolist(), strict=True)]
