"""Calibration and learned weights in one step: a slope for each component's margin, on later history.

A component's margin is the sum of its features' contributions to the model's log-odds. A component that was
fitted too closely is shrunk, one without signal goes to zero, and the contributions still add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from serving.calibration import Calibration, sigmoid
from serving.health import Scale
from training.errors import EvidenceError
from training.intervals import Figure, clustered, resampled
from training.metrics import row_log_loss

Array = NDArray[np.float64]
METHODS = ("component", "platt", "none")
PERCENTILES = (0.01, 0.99)
RIDGE = 5.0
"""Penalty on (slope - 1)^2 in nats: about what 5 to 10 churned accounts say of a component of unit spread."""
MATERIAL = 0.001
"""Relative gain in log loss below which two methods of calibration are as good as each other."""


def fit_slopes(
    margins: Array,
    churned: ArrayLike,
    *,
    prior: float = 1.0,
    ridge: float = RIDGE,
    weight: Array | None = None,
) -> Array:
    """Intercept and one non-negative slope a component, `(1 + c,)`, by penalised maximum likelihood.

    The penalty `ridge x sum (slope - prior)^2` weighs as much as a normal prior of variance `1 / (2 ridge)`:
    with no rows every slope is `prior`, with many it hardly counts. The intercept is free (within +-20
    log-odds).
    """
    label = np.asarray(churned, dtype=np.float64)
    w = np.ones(len(label)) if weight is None else weight
    n = max(float(w.sum()), 1.0)

    def objective(theta: Array) -> tuple[float, Array]:
        z = theta[0] + margins @ theta[1:]
        surprise = np.logaddexp(0.0, -z)
        residual = w * (np.exp(-surprise) - label)
        off = theta[1:] - prior
        loss = w @ (surprise + (1 - label) * z) + ridge * off @ off
        gradient = np.append(residual.sum(), margins.T @ residual + 2 * ridge * off)
        return float(loss) / n, gradient / n

    start = np.append(0.0, np.full(margins.shape[1], prior))
    bounds = [(-20.0, 20.0)] + [(0.0, None)] * margins.shape[1]
    exact = {"ftol": 1e-13, "gtol": 1e-8}
    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=exact).x)


def fit(
    margins: Array,
    churned: ArrayLike,
    accounts: ArrayLike,
    names: Sequence[str],
    *,
    method: str = "component",
    base: float = 0.0,
    ridge: float = RIDGE,
    draws: int = 200,
    seed: int = 0,
) -> Calibration:
    """A calibration of the model's component margins, with refits on resampled accounts.

    `method`: "component" (a slope each), "platt" (one common slope, no ridge) or "none" (the model as it is);
    `base` is the model's own intercept in log-odds, which the last two build on.

    Raises:
        EvidenceError: if margins, names and labels do not match, are not finite, or hold one class only.
    """
    label = _checked(margins, churned, len(names))
    theta = solve(method, margins, label, base=base, ridge=ridge)
    drawn = [solve(method, margins, label, base=base, ridge=ridge, weight=w) for w in resampled(accounts, draws, seed)]
    slopes = dict(zip(names, theta[1:].tolist(), strict=True))
    return Calibration(float(theta[0]), slopes, np.reshape(drawn, (draws, len(theta))), method, seed)


def _checked(margins: Array, churned: ArrayLike, components: int) -> Array:
    """Labels as 0 and 1; refuses what no slope can be learned from."""
    label = np.asarray(churned, dtype=np.float64)
    if margins.shape != (len(label), components):
        raise EvidenceError(f"calibration: margins {margins.shape}, but {len(label)} rows, {components} components")
    if not np.isfinite(margins).all():
        raise EvidenceError("calibration: margins hold NaN or infinity; check the model's contributions")
    if not 0 < label.sum() < len(label):
        raise EvidenceError(f"calibration: {label.sum():.0f} of {len(label)} rows churned; both fates are needed")
    return label


def solve(
    method: str,
    margins: Array,
    label: Array,
    *,
    base: float = 0.0,
    ridge: float = RIDGE,
    weight: Array | None = None,
) -> Array:
    """Intercept and slopes of a method, one slope a component even if they are all the same.

    Raises:
        EvidenceError: there is no such method.
    """
    ones = np.ones(margins.shape[1])
    match method:
        case "component":
            return fit_slopes(margins, label, ridge=ridge, weight=weight)
        case "platt":
            total = base + margins.sum(axis=1, keepdims=True)
            intercept, slope = fit_slopes(total, label, ridge=0.0, weight=weight)
            return np.append(intercept + slope * base, slope * ones)
        case "none":
            return np.append(base, ones)
    raise EvidenceError(f"calibration: unknown method {method!r}; choose one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class Choice:
    """A method of calibration, the cross-validated log loss of each, and its difference to "component"."""

    method: str
    log_loss: dict[str, Figure]
    difference: dict[str, Figure]


def choose(
    margins: Array,
    churned: ArrayLike,
    accounts: ArrayLike,
    *,
    base: float,
    ridge: float = RIDGE,
    folds: int = 5,
    seed: int = 0,
) -> Choice:
    """The method that does best on accounts not seen; "component" unless another is proven better.

    Proven: the 95 % account-clustered interval of the paired difference lies below zero, with a gain of at least
    0.1 % of the log loss. `base` is the model's own intercept, the mean of them if several models predicted.

    Raises:
        EvidenceError: as `fit`.
    """
    label = _checked(margins, churned, margins.shape[1])
    _, member = np.unique(np.asarray(accounts), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(member.max() + 1)[member] % folds
    losses = {method: np.zeros(len(label)) for method in METHODS}
    for method, number in ((m, k) for m in METHODS for k in range(folds)):
        out = fold == number
        theta = solve(method, margins, label, base=base, ridge=ridge, weight=(~out).astype(np.float64))
        losses[method][out] = row_log_loss(label[out], sigmoid(theta[0] + margins[out] @ theta[1:]))
    differences = {method: losses[method] - losses["component"] for method in METHODS[1:]}
    log_loss = _means(losses, accounts, seed)
    difference = _means(differences, accounts, seed)
    enough = MATERIAL * log_loss["component"].value
    proven = [method for method, change in difference.items() if change.high < 0 and change.value <= -enough]
    best = min(proven, key=lambda method: log_loss[method].value, default="component")
    return Choice(best, log_loss, difference)


def harm(
    calibration: Calibration,
    margins: Array,
    base: float,
    churned: ArrayLike,
    accounts: ArrayLike,
    seed: int = 0,
) -> Figure:
    """Log loss with less log loss without calibration, on rows later than its own; proven harm: `low > 0`."""
    raw = row_log_loss(churned, sigmoid(base + margins.sum(axis=1)))
    return _means({"harm": row_log_loss(churned, calibration.apply(margins)) - raw}, accounts, seed)["harm"]


def _means(columns: dict[str, Array], accounts: ArrayLike, seed: int) -> dict[str, Figure]:
    def mean(weight: Array) -> dict[str, float]:
        return {name: float(weight @ column / weight.sum()) for name, column in columns.items()}

    return clustered(mean, accounts, seed=seed)


def scales(margins: Array, calibration: Calibration, stretch: Mapping[str, float] | None = None) -> dict[str, Scale]:
    """1st and 99th percentile of each component's calibrated term in history.

    `stretch` widens a scale about the term's mean: an unreliable margin shows less spread than the term it estimates.
    """
    terms = calibration.terms(margins)
    ends = np.quantile(terms, PERCENTILES, axis=0, method="inverted_cdf")
    wide = np.array([1.0 if stretch is None else stretch[name] for name in calibration.slopes])
    low, high = terms.mean(axis=0) * (1 - wide) + ends * wide
    return {name: Scale(float(low[k]), float(high[k])) for k, name in enumerate(calibration.slopes)}
