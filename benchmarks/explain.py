"""SHAP values of 100,000 rows, and of one row: keepwell, `shap.TreeExplainer` and LightGBM's own `pred_contrib`.

A churn model is learned as Keepwell learns it, with its loosest shape, on made-up accounts (counts, days, shares,
money, levels, a tenth unknown). The contenders explain the same rows in this process, in turn, several rounds. All
of them use all cores for the many rows and one thread for the one row, which suits each best. `shap` asks LightGBM
for the values: the two are about as fast. What keepwell works out beforehand, once a model, is timed beside.

    python -P benchmarks/explain.py               # a table; --json for machines, --rows for a smaller run

-P keeps this folder, with its features.py, out of the way of the package `features`.
"""

import argparse
import os
import warnings
from collections.abc import Callable
from functools import partial
from time import perf_counter, process_time
from typing import Any

import lightgbm as lgb
import numpy as np
import shap

from benchmarks.tools.told import Column, Round, at_most, claim, show, table
from features.declare import Direction, Feature
from serving.booster import Booster
from serving.explain import contributions
from training.model import SHAPES, Matrix, fit

GOALS = {"shap": 8.0, "pred_contrib": 5.0}
GOAL_ONE_ROW = 3.0
NAMES = {"shap": "shap.TreeExplainer", "pred_contrib": "pred_contrib"}
COLUMNS = {"seconds": Column("ms", 1e3, ",.3f"), "cpu_seconds": Column("CPU ms", 1e3, ",.3f")}
APART, SUMS_APART = 1e-6, 1e-9
TREES = 300
LEARN_FROM = 20_000
ONE_ROW_CALLS = 200
COMPONENTS = {"usage": 60, "feedback": 15, "support": 20, "relationship": 15, "commercial": 20}
"""Features by component; the last of each has 12 levels."""
LEVELS = tuple(f"level {i}" for i in range(12))


def make(rows: int) -> tuple[tuple[Feature, ...], Matrix]:
    """Features, and as many rows of them, of which some move the risk."""
    rng = np.random.default_rng(0)
    features, columns = [], []
    for component, width in COMPONENTS.items():
        for i in range(width):
            levels = LEVELS if i == width - 1 else ()
            direction = Direction.UNKNOWN if levels else (*Direction,)[i % 3]
            features.append(_feature(f"{component}_{i}", component, direction, levels))
            columns.append(rng.integers(0, len(LEVELS), rows) if levels else _column(rng, i % 4, rows))
    matrix = np.column_stack(columns).astype(np.float64)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return tuple(features), matrix


def _feature(name: str, component: str, direction: Direction, levels: tuple[str, ...]) -> Feature:
    return Feature(name, name, name, "times", "", direction, component=component, scan="", categories=levels)


def _column(rng: np.random.Generator, kind: int, rows: int) -> Matrix:
    """Counts, days since, shares, or money."""
    draws: list[Callable[[], Any]] = [
        lambda: rng.poisson(rng.lognormal(1, 1, rows)),
        lambda: np.floor(rng.exponential(30, rows)),
        lambda: rng.beta(2, 5, rows),
        lambda: rng.lognormal(5, 1, rows),
    ]
    return np.asarray(draws[kind](), dtype=np.float64)


def learn(features: tuple[Feature, ...], matrix: Matrix, trees: int) -> lgb.Booster:
    """A model of the risk that every third feature moves, a little each."""
    rng = np.random.default_rng(1)
    towards = np.array([{"safer": -1.0, "riskier": 1.0, "unknown": 0.5}[f.more_is.value] for f in features])
    spread = np.nan_to_num((matrix - np.nanmean(matrix, axis=0)) / (np.nanstd(matrix, axis=0) + 1e-9))
    risk = np.tanh(spread[:, ::2]) @ towards[::2] / 3 - 2
    churned = rng.random(len(matrix)) < 1 / (1 + np.exp(-risk))
    return fit(matrix, churned, features, SHAPES[-1], trees)


def contenders(model: Booster, threads: int) -> dict[str, Callable[[Matrix], Any]]:
    """Each gives (n, features) or (n, features + 1) of a matrix; whatever can be made beforehand is."""
    theirs = lgb.Booster(model_str=model.text)
    theirs.predict = partial(theirs.predict, num_threads=threads)  # also where shap calls it
    return {
        "keepwell": partial(contributions, model),
        "shap": shap.TreeExplainer(theirs).shap_values,
        "pred_contrib": partial(theirs.predict, pred_contrib=True),
    }


def timed(work: Callable[[Matrix], Any], rows: Matrix, calls: int) -> dict[str, float]:
    """Seconds and CPU seconds a call; each call of several gets a row of its own."""
    parts = [rows] if calls == 1 else [rows[i : i + 1] for i in range(calls)]
    began, worked = perf_counter(), process_time()
    for part in parts:
        work(part)
    return {"seconds": (perf_counter() - began) / calls, "cpu_seconds": (process_time() - worked) / calls}


def apart(model: Booster, explain: dict[str, Callable[[Matrix], Any]], rows: Matrix) -> list[dict[str, Any]]:
    """The largest differences over all rows: of a value to shap's and LightGBM's, of a row's sum to its log-odds."""
    ours, shaps, theirs = (np.asarray(work(rows)) for work in explain.values())
    far = max(np.abs(ours[:, :-1] - shaps).max(), np.abs(ours - theirs).max())
    sums = np.abs(ours.sum(axis=1) - model.log_odds(rows)).max()
    return [
        at_most("largest difference to a value of either", float(far), APART),
        at_most("largest difference of a row's sum to its log-odds", float(sums), SUMS_APART),
    ]


def compared(what: str, rounds: list[Round], control: str, goal: float | None) -> dict[str, Any]:
    """The claim that keepwell takes less time."""
    return claim(f"{what} against {NAMES[control]}", rounds, "keepwell", control, "seconds", goal, more_is_better=False)


def compete(rows: int, trees: int, rounds: int, *, as_json: bool) -> None:
    """Learn once, let the contenders explain in turn, compare their values, print."""
    features, matrix = make(max(rows, LEARN_FROM))
    model = Booster(learn(features, matrix[:LEARN_FROM], trees).model_to_string())
    matrix = matrix[:rows]
    began = perf_counter()
    contributions(model, matrix[:1])
    made = perf_counter() - began
    one, many = contenders(model, 1), contenders(model, os.cpu_count() or 1)
    single = [{who: timed(work, matrix, ONE_ROW_CALLS) for who, work in one.items()} for _ in range(rounds)]
    batch = [{who: timed(work, matrix, 1) for who, work in many.items()} for _ in range(rounds)]
    claims = [
        *(compared(f"{rows:,} rows", batch, control, goal) for control, goal in GOALS.items()),
        compared("one row", single, "shap", None),
        compared("one row", single, "pred_contrib", GOAL_ONE_ROW),
        *apart(model, many, matrix),
    ]
    title = f"{rows:,} rows, {len(features)} features, {trees} trees, medians of {rounds} interleaved rounds"
    tables = [*table(title, batch, COLUMNS), *table("one row", single, COLUMNS)]
    show([*tables, f"keepwell's tables of the model: {made:.2f} s, once"], claims, as_json=as_json)


def main() -> None:
    """Read the command line and compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", message="LightGBM binary classifier")  # of shap, about lists it once gave
    compete(given.rows, given.trees, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
