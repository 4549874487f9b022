"""Is a probability too extreme, or too high? Two lines fitted to its log-odds."""

import numpy as np
from numpy.typing import NDArray

from serving.calibration import sigmoid
from training.intervals import Statistic

Array = NDArray[np.float64]


def recalibration(churned: Array, log_odds: Array) -> Statistic:
    """`calibration_slope` and `calibration_intercept` as a function of row weights.

    The slope is b of `logit y = a + b log_odds` (Cox 1958): 1 is right, below 1 too extreme. The intercept is
    a of `logit y = a + log_odds` ("calibration in the large"; Van Calster et al. 2019, "Calibration: the
    Achilles heel of predictive analytics"): 0 is right, above 0 too low a probability. NaN where the rows
    hold one class, are split perfectly, or (slope) all have the same probability.
    """
    centre, spread = (float(log_odds.mean()), float(log_odds.std())) if len(log_odds) else (0.0, 0.0)
    known, spread = spread > 1e-9, max(spread, 1e-9)
    flat, everyone = np.zeros(len(log_odds)), np.ones(len(log_odds))
    line = np.column_stack([everyone, (log_odds - centre) / spread])
    constant = line[:, :1]
    # A draw lies near the fit of all rows, so it starts there.
    near_line = np.nan_to_num(logistic(line, flat, churned, everyone, np.zeros(2)))
    near_shift = np.nan_to_num(logistic(constant, log_odds, churned, everyone, np.zeros(1)))

    def at(weight: Array) -> dict[str, float]:
        slope = logistic(line, flat, churned, weight, near_line)[1] / spread if known else np.nan
        shift = logistic(constant, log_odds, churned, weight, near_shift)[0]
        return {"calibration_slope": float(slope), "calibration_intercept": float(shift)}

    return at


def logistic(design: Array, offset: Array, churned: Array, weight: Array, start: Array) -> Array:
    """Maximum likelihood of `logit y = offset + design @ theta` by Newton's method; NaN if there is none."""
    theta, none = start, np.full(len(start), np.nan)
    if not 0 < weight @ churned < weight.sum():
        return none
    for _ in range(50):
        p = sigmoid(offset + design @ theta)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, design.T @ (weight * (churned - p)))
        except np.linalg.LinAlgError:
            return none
        theta = theta + np.clip(step, -2, 2)  # a full step overshoots far from the optimum
        if np.abs(step).max() < 1e-6:  # the error left is its square
            return np.asarray(theta)
    return none
