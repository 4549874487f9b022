"""Raw tables of 100,000 accounts and ten million events to stored scores with reasons, in one command: where it goes.

A made-up company is written (`benchmarks.tools.company`), and a model is learned from a small one of the same shape.
Each round runs `keepwell score --store` on an empty store in a process of its own, and then, in another, the least
that its stages could be: the sources staged and the features built with nothing around them, the same rows explained,
the values of the stored rows turned into JSON, and the rows that were stored written into an empty store.

    python -P benchmarks/book.py      # a table; --json for machines, --accounts and --events for a smaller run
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.tools.company import END, make
from benchmarks.tools.model import bundle_of
from benchmarks.tools.told import Column, Round, at_most, show, table, within
from features.config import Settings, load
from serving.bundle import Bundle
from serving.bundle import load as load_bundle
from serving.calibration import sigmoid

MEMORY_GOAL = 2.0
TIMES_GOAL = 2.0
ALIVE = 1.17
"""Accounts that a company ever had, for each that it still has."""

LEARN_FROM = 4000
"""Accounts of the small company, with a hundred events each."""

TREES = 500

TRACKING = '\n[tracking]\nuri = "sqlite:///{}"\n'
STORED = ("runs", "run_tiers", "scores", "score_details", "signs", "alerts", "holdouts", "model_versions")
AS_JSON = ("detail", "change", "features", "baseline", "response")
"""Columns that the stage turns into JSON: those of the scores' details, and the responses of warning signs."""
STAGES = {
    "reading the sources": "staging alone",
    "features": "the bare build",
    "drivers": "the bare explanation of the same rows",
    "encoding": "the same values to JSON",
    "store": "a bare insert of the same bytes",
}
"""Stages of the command that have a control, and what that is."""

NO_CONTROL = float("nan")
COLUMNS = {
    "seconds": Column("seconds", 1, ",.2f"),
    "cpu_seconds": Column("CPU seconds", 1, ",.2f"),
    "bare": Column("bare seconds", 1, ",.2f"),
}


def prepare(folder: Path, accounts: int, events: int, trees: int) -> None:
    """Write both companies, and register a model that tells the accounts of the small one apart."""
    from training import tracking

    few = min(LEARN_FROM, 2 * accounts)
    settings = load(make(folder / "small", few, 100 * few))
    tracking.reach(settings)
    no_evidence = {part: {} for part in ("about", "benchmarks", "calibration", "data", "health", "model", "test")}
    tracking.register(settings, learn(settings, trees), no_evidence)
    make(folder, round(ALIVE * accounts), events, more=TRACKING.format(settings.home_dir / "mlflow.db"))


def learn(settings: Settings, trees: int) -> Bundle:
    """A model of the whole catalogue, of a risk that every other feature moves a little in the small company."""
    from features import snapshots
    from features.catalogue import declare, discover
    from features.engine import open_engine
    from features.sources import stage
    from features.table import build
    from serving.bundle import spec_of

    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        words = discover(engine, staged, known_by=END, max_events=settings.features.max_events)
        catalogue = declare(staged, words)
        snapshots.spine_at(settings, engine, staged, END)
        rows = build(engine, staged, catalogue).select(catalogue.names).to_pandas().to_numpy(np.float64)
    warnings.filterwarnings("ignore", message="Mean of empty|Degrees of freedom")  # of columns that are empty here
    rng = np.random.default_rng(0)
    spread = np.nan_to_num((rows - np.nanmean(rows, axis=0)) / (np.nanstd(rows, axis=0) + 1e-9))
    risk = np.tanh(spread[:, ::2]) @ rng.normal(size=spread[:, ::2].shape[1]) / 3 - 3
    churned = rng.random(len(rows)) < sigmoid(risk)
    return bundle_of(tuple(map(spec_of, catalogue.features)), rows, churned, asdict(words), trees)


def command(folder: Path) -> dict[str, Any]:
    """Run the command on an empty store; what it prints, and the gigabytes that it held at most."""
    for left in folder.glob(".keepwell/store.db*"):
        left.unlink()
    _forget(folder)
    words = ["score", "--as-of", f"{END:%Y-%m-%d}", "--store", "--json", "--config", str(folder / "keepwell.toml")]
    run = [sys.executable, "-P", "-c", "from keepwell import main; main()", *words]
    with (folder / "told.json").open("w", encoding="utf-8") as out, subprocess.Popen(run, stdout=out) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"keepwell {' '.join(words)} ended with {process.returncode}")
    told: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return told | {"gigabytes": used.ru_maxrss / 2**20}


def _forget(folder: Path) -> None:
    """Remove what another run found out about the files, which would spare this one the reading."""
    rmtree(folder / ".keepwell" / "known", ignore_errors=True)


def bare(folder: Path) -> dict[str, float]:
    """Seconds of each stage's control, by stage."""
    _forget(folder)
    took: dict[str, float] = {}
    _bare_scores(folder, took)
    _bare_store(folder, took)
    return took


def _timed(took: dict[str, float], stage: str, work: Callable[[], Any]) -> Any:
    began = perf_counter()
    found = work()
    took[stage] = took.get(stage, 0.0) + perf_counter() - began
    return found


def _bare_scores(folder: Path, took: dict[str, float]) -> None:
    """Stage, build the features of the book and of the three dates of its baseline, explain the book."""
    from features import snapshots
    from features.catalogue import Vocabulary, declare
    from features.engine import open_engine
    from features.sources import stage
    from features.table import build
    from serving.batch import MEMORY
    from serving.book import matrix
    from serving.daily import BASELINE_DAYS
    from serving.explain import contributions

    settings = load(folder / "keepwell.toml")
    bundle = load_bundle(next((settings.home_dir / "bundles").iterdir()))  # as the command fetched it
    with open_engine(settings.home_dir, memory_limit=MEMORY) as engine:
        staged = _timed(took, "reading the sources", lambda: stage(settings, engine))
        catalogue = declare(staged, Vocabulary.from_dict(bundle.vocabulary))
        snapshots.spine_at(settings, engine, staged, END)
        past = "SELECT account_id, snapshot_at - INTERVAL {} DAY AS snapshot_at FROM spine"
        engine.create("past", " UNION ALL ".join(past.format(days) for days in BASELINE_DAYS))
        features = _timed(took, "features", lambda: build(engine, staged, catalogue))
        _timed(took, "features", lambda: build(engine, staged, catalogue, "past"))
    rows, booster = matrix(bundle, features), bundle.booster
    assert booster is not None
    _timed(took, "drivers", lambda: contributions(booster, rows))


def _bare_store(folder: Path, took: dict[str, float]) -> None:
    """Read what the command stored, a thousand rows at a time, and write it into an empty store of the same tables."""
    from serving.store import open_store
    from serving.store.opening import PRAGMAS

    empty = folder / "bare.db"
    for left in folder.glob("bare.db*"):
        left.unlink()
    open_store(f"sqlite:///{empty}").close()
    stored, db = sqlite3.connect(folder / ".keepwell" / "store.db"), sqlite3.connect(empty, isolation_level=None)
    for name, value in PRAGMAS.items():
        db.execute(f"PRAGMA {name}={value}")
    _timed(took, "store", lambda: db.execute("BEGIN IMMEDIATE"))
    for name in STORED:
        rows = stored.execute(f"SELECT * FROM {name}")
        names = [column[0] for column in rows.description]
        into = f"INSERT INTO {name} VALUES ({', '.join('?' * len(names))})"
        while some := rows.fetchmany(1000):
            _timed(took, "store", lambda into=into, some=some: db.executemany(into, some))
            _encode(names, some, took)
    _timed(took, "store", lambda: db.execute("COMMIT"))
    db.close()
    stored.close()


def _encode(names: list[str], rows: list[tuple[Any, ...]], took: dict[str, float]) -> None:
    """Turn the values of the JSON columns into text again."""
    from serving.store.columns import dumped

    places = [names.index(name) for name in AS_JSON if name in names]
    values = [json.loads(row[place]) for row in rows for place in places if row[place] is not None]
    _timed(took, "encoding", lambda: [dumped(value) for value in values])


def measure(folder: Path) -> tuple[Round, dict[str, Any]]:
    """One round: each stage with its time and its control's, and what the command printed."""
    told = command(folder)
    alone = json.loads(_child("bare", folder))
    return {name: {**took, "bare": alone.get(name, NO_CONTROL)} for name, took in told["stages"].items()}, told


def _child(what: str, folder: Path, *more: str) -> str:
    run = [sys.executable, "-P", __file__, "--part", what, "--folder", str(folder), *more]
    return subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout


def claims(rounds: list[Round], told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Memory, and each stage against its control."""
    found = [at_most("peak gigabytes of the command", max(one["gigabytes"] for one in told), MEMORY_GOAL)]
    for stage, control in STAGES.items():
        sides = [{"keepwell": {"s": one[stage]["seconds"]}, "bare": {"s": one[stage]["bare"]}} for one in rounds]
        found.append(within(f"{stage}: times as long as {control}", sides, "keepwell", "bare", "s", TIMES_GOAL))
    return found


def compete(accounts: int, events: int, trees: int, rounds: int, *, as_json: bool) -> None:
    """Make and learn once, run the command and its controls in turn, print."""
    with TemporaryDirectory(prefix="keepwell-benchmark-") as name:
        folder = Path(name)
        _child("prepare", folder, "--accounts", str(accounts), "--events", str(events), "--trees", str(trees))
        ran = [measure(folder) for _ in range(rounds)]
        stages, told = [one for one, _ in ran], [one for _, one in ran]
        whole = median(sum(took["seconds"] for took in one.values()) for one in stages)
        size = f"{told[0]['accounts']:,} accounts scored, {events:,} events, {whole:,.0f} seconds"
        title = f"{size}, medians of {rounds} rounds"
        show(table(title, stages, COLUMNS), claims(stages, told), as_json=as_json)


def main() -> None:
    """Read the command line; without a part, let the command and its controls run in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=["prepare", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part == "prepare":
        prepare(given.folder, given.accounts, given.events, given.trees)
    elif given.part == "bare":
        print(json.dumps(bare(given.folder)))
    else:
        compete(given.accounts, given.events, given.trees, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
