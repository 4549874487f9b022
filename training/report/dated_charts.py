"""Pictures over time for the page of a training run: churn by cohort, and which dates were used for what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.intervals import Figure, wilson
from training.report.charts import Array, Rows, with_intervals
from training.report.drawing import BLUE, MUTED, ORANGE, canvas, legend_below, percent_axis, svg
from training.report.words import short


def cohorts(
    names: Sequence[str], groups: NDArray[np.intp], churned: Rows, predicted: Array, what: str, since: int = 0
) -> str:
    """Observed churn of each group with its interval, and what was predicted (NaN: nothing was).

    Args:
        names: of the groups, in order.
        groups: number of each row's group.
        churned: whether each row churned.
        predicted: its churn probability, NaN for rows that the model learned from.
        what: the axis' name.
        since: number of the first group of the test period; those before are shaded.
    """
    members = [groups == g for g in range(len(names))]
    observed = [wilson(float(churned[rows].sum()), int(rows.sum())) for rows in members]
    means = [_mean(predicted[rows]) for rows in members]
    with canvas(7.6, 3.6) as (drawn, axes):
        with_intervals(axes, range(len(names)), observed, ORANGE, label="observed")
        axes.plot(range(len(names)), means, "D-", color=BLUE, ms=4.5, lw=1.2, label="predicted")
        if since > 0:
            axes.axvline(since - 0.5, color=MUTED, lw=1, ls="--")
            axes.text(since - 0.42, 1, "test period", color=MUTED, va="top", transform=axes.get_xaxis_transform())
        step = max(1, len(names) // 14)
        slanted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(names) > 6 else {}
        shown = range(0, len(names), step)
        axes.set_xticks(shown, [short(names[i], 18) for i in shown], **slanted)
        axes.set_ylim(0, None)
        percent_axis(axes.yaxis)
        axes.set_xlabel(what)
        axes.set_ylabel("churn")
        legend_below(axes)
        axes.set_title(_cohorts_told(observed[since:], means[since:]))
        return svg(drawn)


def _cohorts_told(observed: Sequence[Figure], means: Sequence[float]) -> str:
    judged = [(o, m) for o, m in zip(observed, means, strict=True) if np.isfinite(m) and np.isfinite(o.value)]
    inside = sum(o.low <= m <= o.high for o, m in judged)
    return f"In {inside} of {len(judged)} test groups the prediction lies within the observed interval"


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def timeline(periods: Sequence[tuple[str, datetime, datetime]], moments: NDArray[np.datetime64]) -> str:
    """When was learned from, waited, and tested: named periods `(name, from, to)` over the snapshots' dates."""
    colours = dict(zip(("learned from", "gap", "tested"), (BLUE, MUTED, ORANGE), strict=True))
    with canvas(7.6, 1.5) as (drawn, axes):
        for name, start, end in periods:
            first, last = _day(start), _day(end)
            axes.barh(0, last - first, left=first, height=0.5, color=colours.get(name, MUTED), alpha=0.85)
            axes.text((first + last) / 2, 0.36, name, ha="center")
        days = np.unique(moments.astype("datetime64[D]"))
        shown = days[:: max(1, len(days) // 200)].astype(np.float64)
        axes.plot(shown, np.full(len(shown), -0.42), "|", color=MUTED)
        axes.xaxis_date()
        axes.set_ylim(-0.6, 0.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("snapshot date (ticks: snapshots)")
        return svg(drawn)


def _day(moment: datetime) -> float:
    """Days since 1970, as the axis counts them."""
    return float(np.datetime64(moment, "D").astype(np.int64))
