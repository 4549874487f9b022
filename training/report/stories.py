"""Pictures of the notebooks: churn by a signal's value, accounts' lives, an honest figure beside a flawed one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from features.declare import text_literal
from features.engine import Engine
from training.intervals import Figure, wilson
from training.report.charts import with_intervals
from training.report.drawing import BLUE, INK, MUTED, ORANGE, canvas, percent_axis, svg
from training.split import Rows

Array = NDArray[np.float64]
Rates = dict[str, Figure]
ACROSS = 3
"""Panels side by side."""
LANES = {"ticket": ORANGE, "survey sent": MUTED, "survey answered": BLUE, "contact": INK}


def churn_by(values: Array, churned: Rows, bins: int = 5) -> Rates:
    """Churn rate of each value, or of each quantile bin where there are many; Wilson intervals, "unknown" last."""
    known = ~np.isnan(values)
    edges = np.unique(values[known])
    if len(edges) > bins + 1:
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)))[:-1]
    inside = np.where(known, np.searchsorted(edges, values, side="right") - 1, len(edges))
    members = [inside == number for number in np.unique(inside)]
    return {_range(values[rows]): wilson(float(churned[rows].sum()), int(rows.sum())) for rows in members}


def _range(values: Array) -> str:
    """The values of a bin in words.

    >>> _range(np.array([0.25, 0.5])), _range(np.array([3.0])), _range(np.array([np.nan]))
    ('0.25 to 0.5', '3', 'unknown')
    """
    if np.isnan(values[0]):
        return "unknown"
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"


def panels(rates: Mapping[str, Rates], usual: float, top: float = 0.2) -> str:
    """SVG with one panel a signal: its churn rates with 95 % intervals up to `top`; dashed is the usual rate."""
    down = -(-len(rates) // ACROSS)
    with canvas(9.6, 2.7 * down) as (drawn, axes):
        axes.remove()
        places = drawn.subplots(down, min(ACROSS, len(rates)), sharey=True, squeeze=False).ravel()
        for one, (title, group) in zip(places, rates.items(), strict=False):
            one.axhline(usual, color=MUTED, lw=1, ls="--")
            with_intervals(one, range(len(group)), list(group.values()), BLUE)
            one.set_xticks(range(len(group)), list(group), rotation=25 if len(group) > 3 else 0, fontsize=8.5)
            one.set_xlim(-0.5, len(group) - 0.5)
            one.set_ylim(0, top)
            one.set_title(title, fontsize=10)
            percent_axis(one.yaxis)
        for empty in places[len(rates) :]:
            empty.set_axis_off()
        return svg(drawn)


def lives(engine: Engine, accounts: Mapping[str, str]) -> str:
    """SVG of accounts' histories: events a week as bars, other rows as ticks below, notice given as a line.

    Args:
        engine: holds the staged sources.
        accounts: what to call each account, and its id.
    """
    of = f"WHERE account_id IN ({', '.join(text_literal(account) for account in accounts.values())})"
    weeks = engine.query(
        f"SELECT account_id, DATE_TRUNC('week', r.at) AS week, COUNT(*) AS n FROM usage r {of} GROUP BY ALL"
    )
    marks = engine.query(
        f"""SELECT account_id, 'ticket' AS lane, r.opened_at AS moment FROM support r {of} AND superseded_at IS NULL
            UNION ALL SELECT account_id, 'contact', r.at FROM touchpoints r {of}
            UNION ALL SELECT account_id, 'survey sent', r.at FROM feedback r {of} AND kind = 'survey_sent'
            UNION ALL SELECT account_id, 'survey answered', r.at FROM feedback r {of} AND score IS NOT NULL
            UNION ALL SELECT account_id, 'notice', cancelled_at FROM subscriptions {of} AND cancelled_at IS NOT NULL"""
    )
    used, rest = weeks.to_pandas().groupby("account_id"), marks.to_pandas().groupby("account_id")
    with canvas(9.6, 2.1 * len(accounts)) as (drawn, axes):
        axes.remove()
        places = drawn.subplots(len(accounts), sharex=True, squeeze=False).ravel()
        for one, (name, account) in zip(places, accounts.items(), strict=True):
            _life(one, used.get_group(account), rest.get_group(account))
            one.set_title(f"{name} ({account})", fontsize=10)
        return svg(drawn)


def _life(axes: Axes, used: pd.DataFrame, marks: pd.DataFrame) -> None:
    top = float(used["n"].max())
    axes.bar(used["week"].to_numpy(), used["n"].to_numpy(), width=np.timedelta64(6, "D"), color=BLUE, alpha=0.6)
    heights = {lane: -0.2 * (i + 0.8) * top for i, lane in enumerate(LANES)}
    for lane, colour in LANES.items():
        at = marks.loc[marks["lane"] == lane, "moment"].to_numpy()
        axes.plot(at, np.full(len(at), heights[lane]), "|", color=colour, ms=7)
    for at in marks.loc[marks["lane"] == "notice", "moment"].unique():
        axes.axvline(at, color=ORANGE, ls="--", lw=1.5)
    axes.set_yticks([*heights.values(), 0, top], [*LANES, "0", f"{top:.0f} events"], fontsize=8.5)


def side_by_side(honest: Mapping[str, Figure], flawed: Mapping[str, Figure], figure: str = "AUC") -> str:
    """SVG of what each mistake does to a figure: the honest and the flawed one on one line."""
    names = list(honest)[::-1]
    with canvas(8.2, 0.9 + 0.6 * len(names)) as (drawn, axes):
        for group, colour, words, up in ((honest, BLUE, "honest", -0.1), (flawed, ORANGE, "with the mistake", 0.1)):
            at = [place + up for place in range(len(names))]
            with_intervals(axes, at, [group[name] for name in names], colour, across=True, label=words)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(f"{figure}, with 95 % intervals")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return svg(drawn)
