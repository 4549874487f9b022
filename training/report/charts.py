"""Pictures of a training run for its page: each function takes what it shows and gives one SVG.

A title says what is seen, not what is plotted. Rates are shares of accounts' snapshots; bars are 95 % intervals.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from serving.health import RANGES, TYPICAL
from serving.tiers import Tier
from training.intervals import Figure
from training.metrics import capture_at, reliability
from training.report.drawing import BLUE, INK, MUTED, ORANGE, TIER_COLOURS, canvas, legend_below, percent_axis, svg
from training.report.words import number, percent

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]


def calibration(churned: Rows, probability: Array) -> str:
    """Predicted against observed churn in ten bins of equal size, over a histogram of the predictions."""
    bins = reliability(churned, probability)
    inside = sum(b.observed.low <= b.predicted <= b.observed.high for b in bins)
    top = 1.08 * max(max(b.observed.high for b in bins), float(np.quantile(probability, 0.995)), 1e-3)
    with canvas(6.4, 4.4) as (drawn, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls="--")
        with_intervals(axes, [b.predicted for b in bins], [b.observed for b in bins], BLUE)
        below = axes.inset_axes((0, -0.42, 1, 0.2))
        below.hist(np.minimum(probability, top), bins=(np.linspace(0, np.sqrt(top), 40) ** 2).tolist(), color=MUTED)
        for one in (axes, below):
            one.set_xscale("function", functions=(_root, np.square))
            one.set_xlim(0, top)
            one.set_xticks(_ticks(top))
            percent_axis(one.xaxis)
        axes.set_yscale("function", functions=(_root, np.square))
        axes.set_ylim(0, top)
        axes.set_yticks(_ticks(top))
        percent_axis(axes.yaxis)
        axes.set_xlabel("predicted churn probability (square-root scale)")
        axes.set_ylabel("observed churn")
        below.set_ylabel("rows")
        axes.set_title(f"In {inside} of {len(bins)} bins the prediction lies within the observed interval")
        return svg(drawn)


def gain(churned: Rows, probability: Array, capacities: Sequence[float]) -> str:
    """Share of the churners among the riskiest rows; dots at the capacities a team may have (shares of the book)."""
    n = len(churned)
    catches = capture_at(churned, probability, [n * step / 100 for step in range(1, 101)])
    reached, caught = [0.0, *(c.capacity / n for c in catches)], [0.0, *(c.recall for c in catches)]
    with canvas(6.4, 3.8) as (drawn, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls="--")
        axes.plot(reached, caught, color=BLUE, lw=2)
        axes.text(0.72, 0.66, "reached at random", color=MUTED, rotation=26, ha="center")
        for share, catch in zip(
            capacities, capture_at(churned, probability, [n * share for share in capacities]), strict=True
        ):
            axes.plot([share], [catch.recall], "o", color=BLUE, ms=6)
            axes.annotate(percent(catch.recall, 0), (share, catch.recall), xytext=(6, -11), textcoords="offset points")
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        axes.set_xlabel("share of the rows reached, riskiest first")
        axes.set_ylabel("share of the churners among them")
        axes.set_title(f"The riskiest tenth churns {number(catches[9].lift, 1)} times as often as everyone")
        return svg(drawn)


def weights(learned: Mapping[str, Figure]) -> str:
    """Learned health weights with intervals; customary ranges as bands behind, where there is one."""
    names = list(learned)[::-1]
    with canvas(6.4, 1.2 + 0.5 * len(names)) as (drawn, axes):
        for y, name in enumerate(names):
            if name in RANGES:
                low, high = RANGES[name]
                axes.barh(y, high - low, left=low, height=0.7, color=MUTED, alpha=0.35)
                axes.plot([TYPICAL[name]] * 2, [y - 0.35, y + 0.35], color=MUTED, lw=2)
        found = [learned[name] for name in names]
        with_intervals(axes, range(len(names)), found, BLUE, across=True)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(0, max(1.04 * max(f.high for f in found), 0.55))
        percent_axis(axes.xaxis)
        axes.set_xlabel("weight in the health score; grey: customary range and typical weight")
        most = max(learned, key=lambda name: learned[name].value)
        axes.set_title(f"{most.capitalize()} carries {percent(learned[most].value, 0)} of the health score")
        return svg(drawn)


def tiers(rates: Mapping[str, Mapping[str, Figure]], base_rate: float) -> str:
    """Realised churn of each tier on the test period against the base rate."""
    names = list(rates)
    churn = {name: rates[name]["churn_rate"] for name in names}
    with canvas(6.4, 3.4) as (drawn, axes):
        for x, name in enumerate(names):
            colour = TIER_COLOURS.get(name, MUTED)
            axes.bar(x, np.nan_to_num(churn[name].value), width=0.6, color=colour)
            axes.annotate(percent(churn[name].value), (x + 0.04, np.nan_to_num(churn[name].value)), xytext=(5, 4),
                          textcoords="offset points")  # fmt: skip
        with_intervals(axes, range(len(names)), list(churn.values()), INK, marker="")
        axes.axhline(base_rate, color=MUTED, ls="--", lw=1)
        axes.text(-0.42, base_rate, f"base rate {percent(base_rate)}", color=MUTED, va="bottom")
        axes.set_xticks(range(len(names)), [f"{n}\n{percent(rates[n]['share'].value, 0)} of the book" for n in names])
        axes.set_ylim(0, None)
        percent_axis(axes.yaxis)
        axes.set_ylabel("realised churn")
        axes.set_title(_tiers_told(names[0], names[-1], churn))
        return svg(drawn)


def _tiers_told(best: str, worst: str, churn: Mapping[str, Figure]) -> str:
    top, bottom = churn[best].value, churn[worst].value
    if top > 0 and np.isfinite(bottom):
        return f"{worst.capitalize()} churns {number(bottom / top, 1)} times as often as {best}"
    return f"{percent(bottom)} of {worst} churn, {percent(top)} of {best}"


def health_by_fate(health: Array, churned: Rows, bands: Sequence[Tier]) -> str:
    """Health of the snapshots that stayed and that churned, each as shares of its own, over the tiers."""
    edges = list(range(0, 101, 5))
    with canvas(6.4, 3.4) as (drawn, axes):
        ceiling = 100.0
        for band in bands:
            axes.axvspan(band.floor, ceiling, color=TIER_COLOURS.get(band.name, MUTED), alpha=0.12, lw=0)
            ceiling = band.floor
        for rows, colour, words in ((~churned, BLUE, "stayed"), (churned, ORANGE, "churned")):
            known = health[rows & np.isfinite(health)]
            share = np.full(len(known), 1 / max(len(known), 1))
            axes.hist(known, bins=edges, weights=share, histtype="step", lw=2, color=colour, label=words)
        percent_axis(axes.yaxis)
        axes.set_xlim(0, 100)
        axes.set_xlabel("health score")
        axes.set_ylabel("share of those who did")
        legend_below(axes)
        left, stayed = (np.nanmedian(health[rows]) for rows in (churned, ~churned))
        said = f"Half of those who left scored {number(left, 0)} or less"
        axes.set_title(f"{said}; of those who stayed, {number(stayed, 0)}")
        return svg(drawn)


def with_intervals(
    axes: Axes,
    at: Sequence[float],
    found: Sequence[Figure],
    colour: str,
    *,
    across: bool = False,
    marker: str = "o",
    label: str | None = None,
) -> None:
    """Points with their intervals, upright or across; nothing where a figure is not known."""
    value = np.array([f.value for f in found])
    reach = np.abs(np.array([[f.value - f.low for f in found], [f.high - f.value for f in found]]))
    style: dict[str, Any] = {"fmt": marker or "none", "color": colour, "lw": 1.5, "ms": 6, "label": label}
    if across:
        axes.errorbar(value, at, xerr=reach, **style)
    else:
        axes.errorbar(at, value, yerr=reach, **style)


def _root(share: Array) -> Array:
    root: Array = np.sqrt(np.maximum(share, 0))
    return root


def _ticks(top: float) -> list[float]:
    """Round shares that spread evenly on a square-root scale."""
    kept = [0.0]
    for share in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0):
        if share <= top and np.sqrt(share) - np.sqrt(kept[-1]) > 0.1 * np.sqrt(top):
            kept.append(share)
    return kept
