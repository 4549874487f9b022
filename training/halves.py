"""Learning again on halves of the accounts: how far to trust a component's margin, and its weight.

A margin is an estimate, and its noise shrinks the calibrated term: slope x margin spreads as the true term does
times the square root of the margin's reliability, least for weak components. Two models of disjoint halves of the
accounts share the signal and no noise, so the correlation r of their margins is the reliability at half the data,
and 2r / (1 + r) that at all of it (Spearman 1910, Brown 1910). The halves' own weights, from model to calibration
learned anew, spread as the weights would if the accounts were drawn again (half-sample replication, McCarthy 1969).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from serving.calibration import Calibration
from serving.health import Scale, weights
from training.calibrate import RIDGE, scales, solve
from training.intervals import Figure
from training.split import Rows

SPLITS = 4
LEAST = 0.1
"""A correlation of halves below this cannot be told from it, and is taken for it."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Half:
    """Half of the accounts: which forward rows are theirs, and the margins of all forward rows as they tell them."""

    mine: Rows
    margins: Array


def split_in_halves(
    accounts: ArrayLike, forward: NDArray[np.intp], learn: Callable[[Rows], Array], seed: int = 0, *, at_once: int = 1
) -> list[Half]:
    """Learn from both halves of the accounts, split at random `SPLITS` times, `at_once` of them side by side.

    Args:
        accounts: of every row of history.
        forward: the forward rows.
        learn: margins of the forward rows, (rows, components), by models that saw none but the rows it is given.
        seed: of the splits.
        at_once: how many learn at a time.
    """
    chosen = list(_halves(accounts, seed))
    with ThreadPoolExecutor(at_once) as pool:
        return [Half(mine[forward], margins) for mine, margins in zip(chosen, pool.map(learn, chosen), strict=True)]


def reliability(halves: Sequence[Half]) -> Array:
    """Of each component's margin, in (0, 1]: the share of its variance that is signal; 1 if it does not vary."""
    pairs = list(zip(halves[::2], halves[1::2], strict=True))
    common = np.mean([_covariance(a.margins, b.margins) for a, b in pairs], axis=0)
    whole = np.mean([_covariance(half.margins, half.margins) for half in halves], axis=0)
    r = np.clip(np.divide(common, whole, out=np.ones_like(common), where=whole > 0), LEAST, 1)
    found: Array = 2 * r / (1 + r)
    return found


def weight_intervals(
    halves: Sequence[Half],
    churned: Rows,
    calibration: Calibration,
    learned: dict[str, Scale],
    stretch: dict[str, float],
    level: float = 0.95,
) -> dict[str, Figure]:
    """Weight of each health component in `learned` with its interval, by Student's t over the halves.

    `churned` are the forward rows' labels. A half's penalty is half of the whole's, so that it shrinks as much.
    Without halves there is one component, whose weight is 1.
    """
    if not halves:
        return {c: Figure(value, value, value) for c, value in weights(learned).items()}
    names, label = list(calibration.slopes), churned.astype(np.float64)
    drawn = []
    for half in halves:
        rows = half.margins[half.mine]
        theta = solve(calibration.method, rows, label[half.mine], ridge=RIDGE / 2)
        slopes = dict(zip(names, theta[1:].tolist(), strict=True))
        found = scales(rows, Calibration(float(theta[0]), slopes, np.zeros((0, len(theta)))), stretch)
        drawn.append(list(weights({c: found[c] for c in learned}).values()))
    wide = student.ppf((1 + level) / 2, len(halves) // 2) * np.std(drawn, axis=0, ddof=1)
    return {
        c: Figure(value, max(0.0, value - float(off)), min(1.0, value + float(off)))
        for (c, value), off in zip(weights(learned).items(), wide, strict=True)
    }


def _halves(accounts: ArrayLike, seed: int) -> Iterator[Rows]:
    names, member = np.unique(np.asarray(accounts), return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(SPLITS):
        first = (rng.permutation(len(names)) < len(names) // 2)[member]
        yield from (first, ~first)


def _covariance(left: Array, right: Array) -> Array:
    """Of each column with the same column of the other."""
    found: Array = ((left - left.mean(axis=0)) * (right - right.mean(axis=0))).mean(axis=0)
    return found
