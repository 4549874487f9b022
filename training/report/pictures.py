"""Why one account, and the whole book, have their scores: shap's plots on the calibrated drivers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from serving.errors import ServingError
from serving.health import TYPICAL
from training.report.account_tables import MOST_SIGNALS
from training.report.drawing import INK, MUTED, canvas, in_ink, save, svg
from training.report.words import count, number, percent, short

MOST_FEATURES, MOST_ROWS = 15, 2000
SEED = 0


def row_of(book: pa.Table, account: str) -> dict[str, Any]:
    """The row of one account.

    Raises:
        ServingError: the account is not in the book; names those that are called nearly so.
    """
    found = book.filter(pc.equal(pc.cast(book["account_id"], pa.string()), account))
    if len(found):
        row: dict[str, Any] = found.slice(0, 1).to_pylist()[0]
        return row
    names = [str(name) for name in book["account_id"].to_pylist()]
    near = get_close_matches(account, names, n=3, cutoff=0.5) or names[:3]
    day = f" of {book['as_of'][0].as_py():%Y-%m-%d}" if len(book) else ""
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise ServingError(
        f"account {short(account)!r} is not among the {count(len(names), 'account')} of the book{day}{hint} "
        "Accounts are in the book while they are in the population on that day."
    )


def waterfall(row: dict[str, Any], path: Path) -> None:
    """Draw how each signal moves an account's calibrated log-odds from the base to its own; .svg or .png.

    Without a model (cold start) the points of the health score's components are drawn instead.

    Raises:
        ServingError: the path ends in neither, or cannot be written.
    """
    with canvas(8.5, 5) as (drawn, _):
        if row["drivers"]:
            _risk(drawn, row)
        else:
            _points(drawn, row)
        save(drawn, path)


def beeswarm(drivers: np.ndarray[Any, Any], values: np.ndarray[Any, Any], names: list[str]) -> str:
    """SVG of the features that move scores most: one dot a row, right raises the risk, colour is the value.

    Args:
        drivers: calibrated contributions in log-odds, (n, features).
        values: feature values, (n, features), NaN where unknown.
        names: what each feature is, in words.
    """
    rng = np.random.default_rng(SEED)
    rows = rng.permutation(len(drivers))[:MOST_ROWS]
    moving = np.flatnonzero(np.abs(drivers[rows]).sum(axis=0) > 0)
    if not len(moving):
        return ""
    labels = [fill(_plain(names[j]), 50) for j in moving]
    with canvas(8, 6) as (drawn, _), _shap() as shap:
        told = shap.Explanation(
            values=drivers[np.ix_(rows, moving)], data=values[np.ix_(rows, moving)], feature_names=labels
        )
        shap.plots.beeswarm(told, max_display=min(MOST_FEATURES, len(moving)), show=False, s=10, plot_size=(7, 8))
        first = names[moving[np.abs(drivers[np.ix_(rows, moving)]).mean(axis=0).argmax()]]
        axes = drawn.axes[0]
        for dots in axes.collections:
            dots.set_rasterized(True)
        axes.set_xlabel("contribution in log-odds: left lowers the risk of leaving, right raises it", fontsize=11)
        _ticks(drawn, 10.5)
        _title(drawn, f"What moves scores most: {short(first, 60)}")
        in_ink(drawn)
        return svg(drawn)


def _risk(drawn: Figure, row: dict[str, Any]) -> None:
    said = {(r["component"], r["signal"]): r["text"].split(";")[0] for r in row["reasons"] or []}
    labels = [said.get((d["component"], d["signal"]), f"{d['component']}: {d['signal']}") for d in row["drivers"]]
    with _shap() as shap:
        told = shap.Explanation(
            values=np.array([d["log_odds"] for d in row["drivers"]]),
            base_values=row["intercept"],
            feature_names=[fill(_plain(label), 46) for label in labels],
        )
        shap.plots.waterfall(told, max_display=MOST_SIGNALS + 1, show=False)
    for beside in drawn.axes[1:]:
        beside.remove()
    axes = drawn.axes[0]
    axes.set_yticks(
        axes.get_yticks(), [t.get_text().replace("other features", "other signals") for t in axes.get_yticklabels()]
    )
    between = f"base {number(row['intercept'], 2)}, this account {number(row['log_odds'], 2)}"
    axes.set_xlabel(f"log-odds of leaving: {between}", fontsize=10)
    _ticks(drawn, 9.5)
    within = f" within {count(row['horizon_days'], 'day')}" if row["horizon_days"] else ""
    health = f"health {number(row['health_score'], 1)}, {row['tier'] or 'no tier'}"
    name = short(_plain(str(row["account_id"])), 30)
    _title(drawn, f"{name}: {percent(row['churn_probability'])} churn probability{within}; {health}")


def _points(drawn: Figure, row: dict[str, Any]) -> None:
    names = [name for name in TYPICAL if row.get(f"{name}_points") is not None]
    axes = drawn.axes[0]
    axes.barh(names[::-1], [row[f"{name}_points"] for name in names[::-1]], color=MUTED, height=0.6)
    axes.set_xlabel("points of the health score (score times typical weight)")
    name = short(str(row["account_id"]), 30)
    axes.set_title(f"{name}: health {number(row['health_score'], 1)}, no model learned yet")


@contextmanager
def _shap() -> Iterator[Any]:
    """Lend shap with its habits undone: it draws from numpy's shared generator and warns of empty columns."""
    before, interactive = np.random.get_state(), plt.isinteractive()
    np.random.seed(SEED)
    plt.gcf().set_layout_engine("none")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap  # takes seconds; only pictures that need it pay

            yield shap
    finally:
        np.random.set_state(before)
        mpl.interactive(interactive)


def _plain(text: str) -> str:
    """Words that shap leaves as they are: it cuts labels at an equals sign."""
    return short(text, 110).replace("=", ":")


def _ticks(drawn: Figure, size: float) -> None:
    for axes in drawn.axes:
        axes.tick_params(labelsize=size)
        axes.yaxis.label.set_fontsize(size)


def _title(drawn: Figure, words: str) -> None:
    """A title over the first axes; those that shap laid over them for its own ticks would push it up."""
    top = drawn.axes[0].get_position().y1
    drawn.text(0.5, top + 0.02, words, ha="center", va="bottom", fontsize=12, fontweight="bold", color=INK)
