"""From a health score to a tier: green, yellow or red."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.errors import ServingError


@dataclass(frozen=True)
class Tier:
    """A band of the health score: `[floor, floor of the tier above)` in points of the unrounded score.

    `name` is stored and sent, `label` is what people read, `colour` is a CSS colour.
    """

    name: str
    floor: float
    label: str
    colour: str


TIERS = (
    Tier("green", 70.0, "Healthy", "#2e7d32"),
    Tier("yellow", 50.0, "Neutral", "#f9a825"),
    Tier("red", 0.0, "At-risk", "#c62828"),
)


def check_tiers(tiers: Sequence[Tier]) -> None:
    """See that the table gives every score in [0, 100] exactly one tier, best first.

    Raises:
        ServingError: if it is empty, a name occurs twice, or the floors do not fall from below 100 to 0.
    """
    if not tiers:
        raise ServingError("tiers: the table is empty; give at least one tier with floor 0")
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise ServingError(f"tiers: names must differ, got {', '.join(names)}")
    floors = [tier.floor for tier in tiers]
    falling = all(above > below for above, below in pairwise(floors))
    if not (falling and floors[0] < 100 and floors[-1] == 0):
        raise ServingError(f"tiers: floors must fall from below 100 to 0, best tier first, got {floors}")


def tiers_of(scores: ArrayLike, tiers: Sequence[Tier] = TIERS) -> NDArray[np.object_]:
    """Tier name of each unrounded health score in [0, 100]; None where the score is None or NaN.

    Raises:
        ServingError: for a broken table (see `check_tiers`) or a score outside [0, 100].

    >>> tiers_of([73.75, 69.999, 50.0, 49.9, None]).tolist()
    ['green', 'yellow', 'yellow', 'red', None]
    """
    names, rising = _bands(tuple(tiers))
    score = np.asarray(scores, dtype=np.float64)
    outside = (score < 0) | (score > 100)
    if outside.any():
        raise ServingError(f"tiers: a health score lies in [0, 100], got {score[outside].flat[0]}")
    band = np.searchsorted(rising, score, side="right") - 1
    return names[np.where(np.isnan(score), len(tiers), band)]


@lru_cache(maxsize=8)
def _bands(tiers: tuple[Tier, ...]) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """The names of a checked table with the lowest first and None last, and the floors, rising."""
    check_tiers(tiers)
    lowest_first = tiers[::-1]
    names = np.array([*(tier.name for tier in lowest_first), None], dtype=object)
    return names, np.array([tier.floor for tier in lowest_first])


def tier_of(score: float | None, tiers: Sequence[Tier] = TIERS) -> str | None:
    """Tier name of one unrounded health score in [0, 100]; None when there is no score.

    Raises:
        ServingError: as `tiers_of`.
    """
    name: str | None = tiers_of([np.nan if score is None else score], tiers)[0]
    return name
