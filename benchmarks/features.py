"""Features of 10 million usage events, 50,000 accounts and 12 snapshots: time, memory, and what is possible.

Each contender reads the same Parquet files in a process of its own, in turn, several rounds:

* scan, scan part: every usage column once, and those of the usage part: the least that anything could do;
* usual: eight features that pandas and polars compute too (events, active days, kinds, recency);
* pandas, polars: these eight, by a group-by a snapshot;
* usage part: what is known of an account as a whole (activity, breadth, rhythm, trends, volume);
* usage: the whole usage component, with people, visits and every kind of event;
* whole: the whole catalogue, all sources.

Time and CPU are of the features alone, from staged sources to the written table; `check` is the CPU time of what comes
before, the contract's check of every row and the snapshots' accounts. Memory is of the whole process, in which DuckDB
holds at most `LIMIT` and spills beyond it.

    python -P benchmarks/features.py              # a table; --json for machines; --events, --accounts: other sizes
    python -P benchmarks/features.py --growth 100000 1000000 10000000     # how the whole catalogue grows with events
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import duckdb
import numpy as np

from benchmarks.tools import company
from benchmarks.tools.loops import SHARED, SNAPSHOTS, pandas, polars
from benchmarks.tools.told import Column, Round, at_most, claim, show, table

ACCOUNTS, EVENTS, ROUNDS = 50_000, 10_000_000, 5
LIMIT = "600MB"
PART = ("activity", "depth", "breadth", "recency", "rhythm", "history", "trend", "volume")
"""Signals of the usage part."""
COLUMNS = {
    "features": Column("features", 1, ",.0f"),
    "check": Column("check CPU s", 1, ",.2f"),
    "seconds": Column("seconds", 1, ",.2f"),
    "cpu_seconds": Column("CPU seconds", 1, ",.2f"),
    "gigabytes": Column("peak GB", 1, ",.2f"),
}


def make(folder: Path, events: int, accounts: int) -> None:
    """A company whose usage has one clock, as most have."""
    config = company.make(folder, accounts, events)
    config.write_text(config.read_text(encoding="utf-8").replace(', known_at = "loaded_at"', ""), encoding="utf-8")


def keepwell(folder: Path, keeps: Callable[[Any], bool]) -> dict[str, float]:
    """The product with some of its features, from its configuration to the feature table."""
    from features.catalogue import declare, discover
    from features.config import load
    from features.engine import open_engine
    from features.snapshots import spine
    from features.sources import stage
    from features.table import build_parts, schema, write

    rmtree(folder / "work", ignore_errors=True)  # what another found out about the files
    settings, worked = load(folder / "keepwell.toml"), process_time()
    with open_engine(folder / "work", memory_limit=LIMIT) as engine:
        staged = stage(settings.model_copy(update={"home": folder / "work"}), engine)
        words = discover(engine, staged, known_by=SNAPSHOTS[0], max_events=settings.features.max_events)
        catalogue = declare(staged, words)
        catalogue = replace(catalogue, features=tuple(f for f in catalogue.features if keeps(f)))
        visits = any(f.scan == "visits" for f in catalogue.features)
        steps = tuple(s for s in catalogue.steps if visits or any(s.name in f.sql for f in catalogue.features))
        catalogue = replace(catalogue, steps=steps)
        spine(settings, engine, staged, SNAPSHOTS)
        check, began, worked = process_time() - worked, perf_counter(), process_time()
        write(
            map(itemgetter(1), build_parts(engine, staged, catalogue)), schema(catalogue), folder / "keepwell.parquet"
        )
        took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked, "check": check}
    return {"features": len(catalogue.names), **took}


def scan(folder: Path, names: Sequence[str]) -> dict[str, float]:
    """Read some columns once."""
    began, worked = perf_counter(), process_time()
    hashed = ", ".join(f'BIT_XOR(HASH("{name}"))' for name in names)
    with duckdb.connect() as db:
        db.execute(f"SELECT {hashed} FROM '{folder / 'usage.parquet'}'").fetchall()
    took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked, "check": 0.0}
    return {"features": 0, **took}


PART_COLUMNS = ("account_id", "at", "event", "quantity")
CONTENDERS: dict[str, Callable[[Path], dict[str, float]]] = {
    "scan": lambda folder: scan(folder, (*PART_COLUMNS, "user_id", "session_id")),
    "scan part": lambda folder: scan(folder, PART_COLUMNS),
    "usual": lambda folder: keepwell(folder, lambda f: f.name in SHARED),
    "pandas": pandas,
    "polars": polars,
    "usage part": lambda folder: keepwell(
        folder,
        lambda f: (
            f.component == "usage"
            and f.signal in PART
            and not f.name.startswith(("visit", "lines", "days_since_large"))
        ),
    ),
    "usage": lambda folder: keepwell(folder, lambda f: f.component == "usage" and f.name != "seat_use_28d"),
    "whole": lambda folder: keepwell(folder, lambda f: True),
}
IMPORTS = {"pandas": ("pandas", "pyarrow.parquet"), "polars": ("polars",), "scan": (), "scan part": ()}
OURS = ("features.catalogue", "features.sources", "features.table")


def measure(name: str, folder: Path, events: int = 0, accounts: int = 0) -> dict[str, float]:
    """What one contender needs, in a process of its own; the sizes are for who makes the data."""
    sizes = ["--events", str(events), "--accounts", str(accounts)]
    script = [sys.executable, "-P", __file__, "--contender", name, "--folder", str(folder), *sizes]
    ran = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(ran.stdout or "{}"))


def contend(name: str, folder: Path) -> dict[str, float]:
    """Run one contender in this process; the time of its imports is not counted, their memory is."""
    for module in IMPORTS.get(name, OURS):
        import_module(module)
    return CONTENDERS[name](folder) | {"gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def differences(folder: Path, control: str) -> int:
    """Values of shared features that a control has otherwise, or accounts it has not, of those seen in 364 days."""
    ours, theirs = f"'{folder / 'keepwell'}.parquet'", f"'{folder / control}.parquet'"
    unequal = " + ".join(f"COUNT_IF(a.{c} IS DISTINCT FROM b.{c})" for c in SHARED)
    with duckdb.connect() as db:
        sql = f"""SELECT {unequal} FROM (FROM {ours} WHERE days_since_last_use IS NOT NULL) a
                  LEFT JOIN {theirs} b USING (account_id, snapshot_at)"""
        return int(db.execute(sql).fetchall()[0][0])


def claims(rounds: list[Round], wrong: dict[str, int]) -> list[dict[str, Any]]:
    """What the rounds show against the goals."""

    def less(name: str, ours: str, control: str, goal: float | None, what: str = "cpu_seconds") -> dict[str, Any]:
        return claim(name, rounds, ours, control, what, goal, more_is_better=False)

    return [
        less(
            "usage part against scanning its columns (a sixth of the speed is the goal)",
            "usage part",
            "scan part",
            1 / 6,
        ),
        less("usage part against scanning all usage columns", "usage part", "scan", None),
        less("usual features against polars", "usual", "polars", 3),
        less("usual features against pandas", "usual", "pandas", 3),
        less("whole catalogue against the usage part", "whole", "usage part", 1 / 3),
        at_most("peak GB of the usage part", max(one["usage part"]["gigabytes"] for one in rounds), 0.4),
        at_most("peak GB of the whole catalogue", max(one["whole"]["gigabytes"] for one in rounds), 1.0),
        *(at_most(f"values that {control} has otherwise", n) for control, n in wrong.items()),
    ]


def compete(events: int, accounts: int, rounds: int, *, as_json: bool) -> None:
    """Make the data once, run the contenders in turn, compare their outputs, print."""
    with TemporaryDirectory(prefix="keepwell-benchmark-") as temporary:
        folder = Path(temporary)
        measure("make", folder, events, accounts)
        results: list[Round] = [{name: measure(name, folder) for name in CONTENDERS} for _ in range(rounds)]
        found = claims(results, {control: differences(folder, control) for control in ("pandas", "polars")})
    title = f"{events:,} events, {accounts:,} accounts, {len(SNAPSHOTS)} snapshots, medians of {rounds} rounds in turn"
    show(table(title, results, COLUMNS), found, as_json=as_json)


def grow(sizes: Sequence[int], accounts: int, rounds: int, *, as_json: bool) -> None:
    """The whole catalogue at several numbers of events, and the exponent of its CPU time in them."""
    results: list[Round] = [{} for _ in range(rounds)]
    for events in sizes:
        with TemporaryDirectory(prefix="keepwell-benchmark-") as folder:
            measure("make", Path(folder), events, accounts)
            for one in results:
                one[f"{events:,} events"] = measure("whole", Path(folder))
    spent = [np.median([one[f"{events:,} events"]["cpu_seconds"] for one in results]) for events in sizes]
    exponent = float(np.polyfit(np.log(sizes), np.log(spent), 1)[0])
    most = max(one[f"{sizes[-1]:,} events"]["gigabytes"] for one in results)
    found = [at_most("exponent of CPU time in events", exponent, 1.05), at_most("peak GB of the largest", most, 1.0)]
    title = f"the whole catalogue, {accounts:,} accounts, {len(SNAPSHOTS)} snapshots, medians of {rounds} rounds"
    show(table(title, results, COLUMNS), found, as_json=as_json)


def main() -> None:
    """Read the command line; without a contender, let all of them compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--growth", type=int, nargs="+", metavar="EVENTS", help="only how time grows over these sizes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--contender", choices=["make", *CONTENDERS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender == "make":  # in a process of its own, whose memory the others do not inherit
        make(given.folder, given.events, given.accounts)
    elif given.contender:
        print(json.dumps(contend(given.contender, given.folder)))
    elif given.growth:
        grow(given.growth, given.accounts, given.rounds, as_json=given.json)
    else:
        compete(given.events, given.accounts, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
