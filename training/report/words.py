"""Numbers and names as people read them; the terminal, the pictures and the page say them alike."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

UNKNOWN = "-"
"""What is printed where a number is not known."""

METRICS = {
    "auc": ("AUC", 3),
    "average_precision": ("average precision", 3),
    "lift_at_10pct": ("lift of the riskiest 10 %", 2),
    "log_loss": ("log loss", 3),
    "brier": ("Brier score", 3),
    "calibration_slope": ("calibration slope", 2),
    "calibration_intercept": ("calibration intercept", 2),
}
"""Name of each figure, and its digits after the point."""

CONTENDERS = {
    "test": "this model",
    "base_rate": "base rate",
    "recency": "recency alone",
    "hand_weights": "hand weights",
    "logistic": "logistic",
    "plain_lightgbm": "plain LightGBM",
}
"""The model and its five benchmarks, in the order in which they are shown."""


def number(value: float | None, digits: int = 3) -> str:
    """A number with its digits after the point; a dash where it is not known.

    >>> number(-0.00001, 2), number(None), number(1234.5, 1)
    ('0.00', '-', '1,234.5')
    """
    if value is None or not np.isfinite(value):
        return UNKNOWN
    return f"{value:z,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of one as a percentage.

    >>> percent(0.1234)
    '12.3 %'
    """
    return UNKNOWN if share is None or not np.isfinite(share) else f"{100 * share:z,.{digits}f} %"


def figure(told: dict[str, Any] | None, digits: int = 3) -> str:
    """A figure with its interval.

    >>> figure({"value": 0.74, "low": 0.66, "high": 0.82}, 2), figure({"value": 0.1, "low": -1, "high": 1}, 1)
    ('0.74 (0.66-0.82)', '0.1 (-1.0 to 1.0)')
    """
    return _spanned(told, lambda x: number(x, digits))


def figure_percent(told: dict[str, Any] | None, digits: int = 1) -> str:
    """A share with its interval, in percent.

    >>> figure_percent({"value": 0.041, "low": 0.03, "high": 0.055})
    '4.1 (3.0-5.5) %'
    """
    if not told or told["value"] is None:
        return UNKNOWN
    return _spanned({name: x if x is None else 100 * x for name, x in told.items()}, lambda x: number(x, digits)) + " %"


def _spanned(told: dict[str, Any] | None, said: Callable[[float], str]) -> str:
    if not told or told["value"] is None:
        return UNKNOWN
    if told["low"] is None or told["high"] is None:
        return str(said(told["value"]))
    between = " to " if told["low"] < 0 else "-"
    return f"{said(told['value'])} ({said(told['low'])}{between}{said(told['high'])})"


def count(n: int, thing: str) -> str:
    """So many of a thing, in the plural where it is not one.

    >>> count(1, "row"), count(1200, "churned account")
    ('1 row', '1,200 churned accounts')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def verdict(passed: bool | None) -> str:
    """pass, fail, or cannot tell."""
    return {True: "pass", False: "fail", None: "cannot tell"}[passed]


def short(text: str, width: int = 48) -> str:
    """Printable text of at most `width` characters, on one line.

    >>> short("a very long name", 8)
    'a very …'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def adding_up(parts: Sequence[float], digits: int, total: float | None = None) -> list[float]:
    """Parts rounded so that they add up to the rounded total (largest remainders, Hamilton's method).

    Each is within one unit of its last digit of what it was. `total` is the parts' sum by default; give it where
    what is printed beside them is rounded by itself.

    >>> adding_up([0.333, 0.333, 0.334], 2), adding_up([0.333, 0.333, 0.334], 1)
    ([0.33, 0.33, 0.34], [0.3, 0.3, 0.4])
    """
    unit = 10.0**digits
    exact = np.asarray(parts, dtype=np.float64) * unit
    whole = np.round(exact)
    missing = round((float(np.sum(parts)) if total is None else total) * unit) - int(whole.sum())
    step = np.sign(missing)
    whole[np.argsort(step * (whole - exact), kind="stable")[: abs(missing)]] += step
    return [float(x) for x in np.round(whole / unit, digits)]


def direction(log_odds: float) -> str:
    """What a contribution does to the risk of leaving."""
    return "raises" if log_odds > 0 else "lowers" if log_odds < 0 else "none"
