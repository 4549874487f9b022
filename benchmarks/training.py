"""A model of 5 million rows and 60 features: an array in memory, an Arrow table, or rows that stay in Parquet.

The same rows are read from the same Parquet file and learned from with the same parameters, Keepwell's own with 63
leaves, each contender in a process of its own, in turn, several rounds:

* keepwell: `training.stored`, an `lgb.Sequence` that holds one row group at a time;
* float64, float32: the whole table as one array;
* arrow: the whole table as Arrow columns, one after the other.

Seconds are those of reading, binning and growing trees. The AUC is that on 100,000 rows nobody learned from.

    python -P benchmarks/training.py              # a table; --json for machines, --rows for a smaller run

-P keeps this folder, with its features.py, out of the way of the package `features`.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from benchmarks.tools.told import Column, Round, at_most, claim, show, table
from features.declare import Direction, Feature
from training.model import dataset, parameters
from training.stored import open_stored, store

ROUNDS_OF_TREES = 50
SHAPE = {"num_leaves": 63, "min_data_in_leaf": 200, "feature_fraction": 1.0}
HELD_OUT = 100_000
ROWS_AT_ONCE = 150_000
MOST_GIGABYTES = 1.5
COMPONENTS = ("usage", "feedback", "support", "relationship", "commercial")
FEATURES = tuple(
    Feature(f"{c}_{i}", c, "", "", "", (*Direction,)[i % 3], component=c, scan="")
    for c in COMPONENTS
    for i in range(12)
)
NAMES = [f.name for f in FEATURES]
COLUMNS = {
    "seconds": Column("seconds"),
    "cpu_seconds": Column("CPU seconds"),
    "binning": Column("until binned"),
    "gigabytes": Column("peak GB", 1, ",.2f"),
    "auc": Column("AUC", 1, ".5f"),
}


def make(folder: Path, rows: int) -> None:
    """Write learn.parquet and later.parquet, some rows at a time: counts, days, shares and money, a tenth unknown."""
    store(_parts(rows, 0), folder / "learn.parquet")
    store(_parts(HELD_OUT, 1), folder / "later.parquet")


def _parts(rows: int, seed: int) -> Iterator[pa.Table]:
    towards = np.random.default_rng(7).normal(0, 0.5, len(FEATURES))
    for part, first in enumerate(range(0, rows, ROWS_AT_ONCE)):
        n, rng = min(ROWS_AT_ONCE, rows - first), np.random.default_rng([seed, part])
        draws: list[Callable[[], Any]] = [
            lambda n=n, rng=rng: rng.poisson(rng.lognormal(1, 1, n)),
            lambda n=n, rng=rng: np.floor(rng.exponential(30, n)),
            lambda n=n, rng=rng: rng.beta(2, 5, n),
            lambda n=n, rng=rng: rng.lognormal(5, 1, n),
        ]
        drawn = np.column_stack([draws[i % 4]() for i in range(len(FEATURES))]).astype(np.float64)
        risk = np.tanh((drawn - drawn.mean(axis=0)) / drawn.std(axis=0)) @ towards - 3
        drawn[rng.random(drawn.shape) < 0.1] = np.nan
        churned = rng.random(n) < 1 / (1 + np.exp(-risk))
        yield pa.table(dict(zip(NAMES, drawn.T, strict=True)) | {"churned": churned})


def _array(path: Path, kind: Any) -> Any:
    """The table as one array, filled a row group at a time, which is the least that an array needs."""
    file, done = pq.ParquetFile(path), 0
    found = np.empty((file.metadata.num_rows, len(NAMES)), dtype=kind)
    for group in range(file.num_row_groups):
        read = file.read_row_group(group, columns=NAMES)
        for j, column in enumerate(read.columns):
            found[done : done + len(read), j] = column.to_numpy()
        done += len(read)
    return found


CONTENDERS: dict[str, Callable[[Path], Any]] = {
    "keepwell": lambda path: open_stored([path], NAMES),
    "float64": lambda path: _array(path, np.float64),
    "float32": lambda path: _array(path, np.float32),
    "arrow": lambda path: pq.read_table(path, columns=NAMES),
}


def contend(who: str, folder: Path) -> dict[str, float]:
    """What one contender needs, in this process, from the Parquet file to the trees, and what they are worth."""
    churned = pq.read_table(folder / "learn.parquet", columns=["churned"])["churned"].to_numpy()
    told = parameters(FEATURES, SHAPE, threads=0)
    began, worked = perf_counter(), process_time()
    data = dataset(CONTENDERS[who](folder / "learn.parquet"), churned, FEATURES)
    data.params = dict(told)
    data.construct()
    binning = perf_counter() - began
    booster = lgb.train(told, data, ROUNDS_OF_TREES)
    took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked, "binning": binning}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    later = pq.read_table(folder / "later.parquet")
    rows = np.column_stack([later[name].to_numpy() for name in NAMES])
    auc = float(roc_auc_score(later["churned"].to_numpy(), booster.predict(rows)))
    return {**took, "gigabytes": peak, "auc": auc}


def measure(who: str, folder: Path, rows: int) -> dict[str, float]:
    """One contender in a process of its own."""
    ran = subprocess.run(_command(who, folder, rows), check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _command(who: str, folder: Path, rows: int) -> list[str]:
    """This file as a module: its name is that of a package."""
    given = ["--contender", who, "--folder", str(folder), "--rows", str(rows)]
    return [sys.executable, "-P", "-m", "benchmarks.training", *given]


def claims(rounds: list[Round]) -> list[dict[str, Any]]:
    """What the rounds show."""

    def less(what: str, control: str, goal: float | None) -> dict[str, Any]:
        words = {"gigabytes": "less peak memory", "seconds": "less time"}[what]
        return claim(f"{words} than {control}", rounds, "keepwell", control, what, goal, more_is_better=False)

    apart = max(abs(one["keepwell"]["auc"] - one[control]["auc"]) for one in rounds for control in one)
    return [
        at_most("peak gigabytes", max(one["keepwell"]["gigabytes"] for one in rounds), MOST_GIGABYTES),
        less("gigabytes", "float64", 2.0),
        less("gigabytes", "float32", None),
        less("gigabytes", "arrow", None),
        less("seconds", "float64", 0.8),
        less("seconds", "float32", None),
        less("seconds", "arrow", None),
        at_most("largest difference in AUC", apart, 0.002),
    ]


def compete(rows: int, rounds: int, *, as_json: bool) -> None:
    """Make the data once, run the contenders in turn, print."""
    with TemporaryDirectory(prefix="keepwell-benchmark-") as folder:
        subprocess.run(_command("make", Path(folder), rows), check=True)
        found = [{who: measure(who, Path(folder), rows) for who in CONTENDERS} for _ in range(rounds)]
    title = f"{rows:,} rows, {len(NAMES)} features, {ROUNDS_OF_TREES} trees, medians of {rounds} interleaved rounds"
    show(table(title, found, COLUMNS), claims(found), as_json=as_json)


def main() -> None:
    """Read the command line; without a contender, let all of them compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--contender", choices=["make", *CONTENDERS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender == "make":  # in a process of its own, whose memory the others do not inherit
        make(given.folder, given.rows)
    elif given.contender:
        print(json.dumps(contend(given.contender, given.folder)))
    else:
        compete(given.rows, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
