"""A new day against the whole: the feature table of 24 snapshots, then one more after a day's rows have arrived.

Usage lies in one file for every four weeks, and the new day's rows in a file of their own, as exports do. In each
round, in processes of their own:

* full: 24 snapshots, two weeks apart, from nothing;
* day: the snapshot of the next day, once its file is there;
* again: the same once more, when nothing is missing;
* late: rows that arrived late, a week before the last three of the 24 snapshots, which alone are computed again.

CPU time is of the whole run: reading and checking the sources, the accounts of each snapshot, features, files.

    python -P benchmarks/incremental.py           # a table; --json for machines, --events for another size
"""

import argparse
import json
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import duckdb

from benchmarks.tools import company
from benchmarks.tools.told import Column, Round, at_most, claim, show, table

EVENTS, ROUNDS, EVENTS_AN_ACCOUNT = 3_000_000, 5, 200
LAST = company.END - timedelta(days=1)
SNAPSHOTS = [LAST - timedelta(days=14 * back) for back in range(23, -1, -1)]
STEPS = ("full", "day", "again", "late")
COLUMNS = {
    "snapshots": Column("snapshots", 1, ",.0f"),
    "seconds": Column("seconds", 1, ",.2f"),
    "cpu_seconds": Column("CPU seconds", 1, ",.2f"),
}


def make(folder: Path, events: int) -> None:
    """A company with its usage cut into files; `day.parquet` and `late.parquet` are not there yet for it."""
    config = company.make(folder, max(events // EVENTS_AN_ACCOUNT, 10), events)
    told = config.read_text(encoding="utf-8").replace('"usage.parquet", known_at = "loaded_at"', '"usage/*.parquet"')
    config.write_text(told, encoding="utf-8")
    (folder / "usage").mkdir()
    with duckdb.connect() as db:
        db.execute("SET enable_progress_bar = false")
        cuts = [company.FIRST]
        while cuts[-1] < LAST:
            cuts.append(min(cuts[-1] + timedelta(days=28), LAST))
        files = [(f"usage/{begin:%Y-%m-%d}", begin, end) for begin, end in pairwise(cuts)]
        for name, begin, end in [*files, ("day", LAST, company.END)]:
            rows = f"""FROM '{folder}/usage.parquet' WHERE "at" >= TIMESTAMP '{begin}' AND "at" < TIMESTAMP '{end}'"""
            db.execute(f"COPY ({rows}) TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
        late = (
            f"SELECT * REPLACE (TIMESTAMP '{SNAPSHOTS[-3] - timedelta(days=7)}' AS \"at\") FROM '{folder}/day.parquet'"
        )
        db.execute(f"COPY ({late} LIMIT 100) TO '{folder}/late.parquet' (FORMAT parquet)")
    (folder / "usage.parquet").unlink()


def step(name: str, folder: Path) -> dict[str, float]:
    """One run of the product in this process, on the files that are there by then."""
    from features.catalogue import declare, discover
    from features.config import load
    from features.engine import open_engine
    from features.kept import keep, vocabulary
    from features.snapshots import spine
    from features.sources import stage

    began, worked = perf_counter(), process_time()
    settings = load(folder / "keepwell.toml")
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        words = vocabulary(settings.home_dir)
        if words is None:
            words = discover(engine, staged, known_by=SNAPSHOTS[0], max_events=settings.features.max_events)
        dates = {"full": SNAPSHOTS, "late": SNAPSHOTS}.get(name, [company.END])
        spine(settings, engine, staged, dates)
        found = keep(engine, staged, declare(staged, words), settings.home_dir, lambda done, all_: None)
    took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked}
    return {"snapshots": len(found.computed), **took}


def measure(name: str, folder: Path, events: int = 0) -> dict[str, float]:
    """What one step needs, in a process of its own."""
    script = [sys.executable, "-P", __file__, "--step", name, "--folder", str(folder), "--events", str(events)]
    ran = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(ran.stdout or "{}")
    return found


def run_round(folder: Path) -> Round:
    """From nothing to the late rows."""
    rmtree(folder / ".keepwell", ignore_errors=True)
    arrived = {"day": folder / "usage" / "day.parquet", "late": folder / "usage" / "late.parquet"}
    for file in arrived.values():
        file.unlink(missing_ok=True)
    found: Round = {}
    for name in STEPS:
        if name in arrived:
            arrived[name].hardlink_to(folder / f"{name}.parquet")
        found[name] = measure(name, folder)
    return found


def compete(events: int, rounds: int, *, as_json: bool) -> None:
    """Make the data once, go through the steps, print."""
    with TemporaryDirectory(prefix="keepwell-benchmark-") as temporary:
        folder = Path(temporary)
        measure("make", folder, events)
        results = [run_round(folder) for _ in range(rounds)]
    wrong = sum(
        abs(one[name]["snapshots"] - wanted)
        for one in results
        for name, wanted in (("full", len(SNAPSHOTS)), ("day", 1), ("again", 0), ("late", 3))
    )
    found = [
        _less("the next day against the full build (20 times: 5 %)", results, "day", 20),
        _less("nothing missing against the full build", results, "again", None),
        _less("late rows against the full build", results, "late", None),
        at_most("snapshots computed that were not to be, or not computed", wrong),
    ]
    accounts = max(events // EVENTS_AN_ACCOUNT, 10)
    title = f"{events:,} events, {accounts:,} accounts, {len(SNAPSHOTS)} snapshots, medians of {rounds} rounds"
    show(table(title, results, COLUMNS), found, as_json=as_json)


def _less(name: str, results: list[Round], ours: str, goal: float | None) -> dict[str, Any]:
    return claim(name, results, ours, "full", "cpu_seconds", goal, more_is_better=False)


def main() -> None:
    """Read the command line; without a step, go through all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--step", choices=["make", *STEPS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "make":
        make(given.folder, given.events)
    elif given.step:
        print(json.dumps(step(given.step, given.folder)))
    else:
        compete(given.events, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
