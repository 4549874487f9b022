"""Features of 10 million usage events, 50,000 accounts and 12 monthly snapshots: time, memory, and what is possible.

Three contenders read the same Parquet file, each in a process of its own, in turn, several rounds:

* keepwell: the contract's check of every row, the snapshots, and the whole usage catalogue, to one Parquet file;
* pandas: the usual features only (events, active days, kinds, recency), by a group-by a snapshot;
* scan: reading the same columns once, which is the least that anything could do.

    python benchmarks/features.py                 # a table; --json for machines, --events for a smaller run
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import duckdb
import numpy as np

FIRST = datetime(2024, 1, 1)
SNAPSHOTS = [datetime(2025 + (month > 12), month - 12 * (month > 12), 1) for month in range(3, 15)]
DAYS = (SNAPSHOTS[-1] - FIRST).days
SHARED = (
    *(f"events_{w}d" for w in (7, 28, 84)),
    *(f"{what}_{w}d" for what in ("active_days", "event_kinds") for w in (28, 84)),
    "days_since_last_use",
)
"""Features that keepwell and pandas both compute, and must agree on."""

MEMORY_GOAL = 4.0
CONFIG = """
[sources.usage]
path = "usage.parquet"
[churn]
kind = "inactivity"
[population]
active_within_days = 84
"""


def make(folder: Path, events: int) -> None:
    """Write usage.parquet, in order of time: a long-tailed activity by account, 40 kinds of event, 3 people each."""
    accounts = max(events // 200, 10)
    weight = np.random.default_rng(0).lognormal(0, 1, accounts).cumsum()
    with duckdb.connect() as db:
        db.execute("SET enable_progress_bar = false")
        db.register("weights", {"account": np.arange(accounts), "upto": weight / weight[-1]})
        db.execute(
            f"""COPY (
                SELECT PRINTF('A%06d', w.account) AS account_id, PRINTF('A%06d-%d', w.account, r % 3) AS user_id,
                       PRINTF('S%d-%d', w.account, r % {DAYS}) AS session_id, e."at",
                       'event ' || CAST(FLOOR(40 * POW((r % 1000) / 1000, 2)) AS INTEGER) AS event,
                       CAST(1 + r % 9 AS DECIMAL(18, 3)) AS quantity
                FROM (SELECT TIMESTAMP '{FIRST}' + TO_SECONDS(CAST(i AS BIGINT) * {DAYS * 86400} // {events}) AS "at",
                             CAST(HASH(i) % 1000000007 AS BIGINT) AS r, (HASH(i + {events}) % 1000003) / 1000003 AS u
                      FROM range({events}) AS numbers(i)) e
                ASOF JOIN weights w ON e.u <= w.upto
                ORDER BY e."at"
            ) TO '{folder / "usage.parquet"}' (FORMAT parquet, COMPRESSION zstd)"""
        )
    (folder / "keepwell.toml").write_text(CONFIG, encoding="utf-8")


def keepwell(folder: Path) -> int:
    """The product, from its configuration to the feature table; returns the number of features."""
    from features.catalogue import declare, discover
    from features.config import load
    from features.engine import open_engine
    from features.snapshots import spine
    from features.sources import stage
    from features.table import write

    settings = load(folder / "keepwell.toml")
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        words = discover(engine, staged, known_by=SNAPSHOTS[0], max_events=settings.features.max_events)
        catalogue = declare(staged, words)
        spine(settings, engine, staged, SNAPSHOTS)
        write(engine, staged, catalogue, folder / "keepwell.parquet", lambda done: None)
    return len(catalogue.names)


def pandas(folder: Path) -> int:
    """A careful group-by: ids as categories, each snapshot a slice of the time-ordered events."""
    import pandas as pd
    import pyarrow.parquet as pq

    columns = ["account_id", "at", "event"]
    read = pq.read_table(folder / "usage.parquet", columns=columns, read_dictionary=["account_id", "event"])
    events = read.to_pandas()
    parts = []
    for day in SNAPSHOTS:
        low, high = events["at"].searchsorted([pd.Timestamp(day - timedelta(days=84)), pd.Timestamp(day)])
        parts.append(_usual(events.iloc[low:high], day).assign(snapshot_at=day))
    pd.concat(parts).reset_index().to_parquet(folder / "pandas.parquet")
    return len(SHARED)


def _usual(events: Any, day: datetime) -> Any:
    """The usual features of one snapshot, one row an account seen in its last 84 days."""
    import pandas as pd

    age = (pd.Timestamp(day) - events["at"].dt.normalize()).dt.days
    rows = pd.DataFrame({"account_id": events["account_id"], "event": events["event"], "age": age})
    days = rows.drop_duplicates(["account_id", "age"])
    kinds = rows.groupby(["account_id", "event"], observed=True)["age"].min().reset_index()

    def count(table: Any, within: int) -> Any:
        return table[table["age"] <= within].groupby("account_id", observed=True).size()

    found = {f"events_{w}d": count(rows, w) for w in (7, 28, 84)}
    found |= {f"active_days_{w}d": count(days, w) for w in (28, 84)}
    found |= {f"event_kinds_{w}d": count(kinds, w) for w in (28, 84)}
    found["days_since_last_use"] = rows.groupby("account_id", observed=True)["age"].min()
    return pd.DataFrame(found).fillna(0)


def scan(folder: Path) -> int:
    """Read every column once."""
    names = ("account_id", "user_id", "session_id", '"at"', "event", "quantity")
    with duckdb.connect() as db:
        db.execute(
            f"SELECT {', '.join(f'BIT_XOR(HASH({n}))' for n in names)} FROM '{folder / 'usage.parquet'}'"
        ).fetchall()
    return 0


CONTENDERS: dict[str, Callable[[Path], int]] = {"keepwell": keepwell, "pandas": pandas, "scan": scan}

IMPORTS = {"keepwell": ("features.catalogue", "features.sources", "features.table"), "pandas": ("pandas", "pyarrow")}


def measure(name: str, folder: Path, events: int) -> dict[str, float]:
    """Seconds, peak gigabytes and number of features of one contender, in a process of its own."""
    ran = subprocess.run(_command(name, folder, events), check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _command(name: str, folder: Path, events: int) -> list[str]:
    """This script as one contender; -P keeps its folder out of the way of the package `features`."""
    return [sys.executable, "-P", __file__, "--contender", name, "--folder", str(folder), "--events", str(events)]


def contend(name: str, folder: Path) -> dict[str, float]:
    """Run one contender in this process; the time of its imports is not counted, their memory is."""
    for module in IMPORTS.get(name, ()):
        import_module(module)
    began, worked = perf_counter(), process_time()
    features = CONTENDERS[name](folder)
    took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"features": features, **took, "gigabytes": peak}


def differences(folder: Path) -> tuple[int, int]:
    """(rows that only one of keepwell and pandas has, values of shared features that differ)."""
    ours, control = (f"'{folder / name}.parquet'" for name in ("keepwell", "pandas"))
    unequal = " + ".join(f"COUNT_IF(a.{c} <> b.{c} OR a.{c} IS NULL)" for c in SHARED)
    with duckdb.connect() as db:
        one_sided, values = db.execute(
            f"""SELECT COUNT_IF(a.account_id IS NULL OR b.account_id IS NULL),
                       SUM(CASE WHEN a.account_id IS NOT NULL AND b.account_id IS NOT NULL THEN 1 ELSE 0 END) * 0
                       + (SELECT {unequal} FROM {ours} a JOIN {control} b USING (account_id, snapshot_at))
                FROM {ours} a FULL JOIN {control} b USING (account_id, snapshot_at)"""
        ).fetchall()[0]
    return int(one_sided), int(values)


def claims(rounds: list[dict[str, dict[str, float]]], wrong: tuple[int, int]) -> list[dict[str, Any]]:
    """What the rounds show; a goal of null is one that is still to be set."""

    def compared(what: str, control: str) -> dict[str, Any]:
        ratios = [one["keepwell"][what] / one[control][what] for one in rounds]
        ours, theirs = (median(one[name][what] for one in rounds) for name in ("keepwell", control))
        spread = {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        return {"name": f"{what}, whole usage catalogue against {control}", "ours": ours, "control": theirs, **spread}

    memory = compared("gigabytes", "pandas")
    most = max(one["keepwell"]["gigabytes"] for one in rounds)
    return [
        memory | {"name": "peak gigabytes", "ours": most, "goal": MEMORY_GOAL, "holds": most <= MEMORY_GOAL},
        {"name": "rows or values that pandas has otherwise", "ours": sum(wrong), "control": 0, "ratio": None}
        | {"goal": 0, "holds": sum(wrong) == 0},
        compared("seconds", "pandas") | {"goal": None, "holds": None},
        compared("seconds", "scan") | {"goal": None, "holds": None},
        compared("cpu_seconds", "pandas") | {"goal": None, "holds": None},
    ]


def table(rounds: list[dict[str, dict[str, float]]], found: list[dict[str, Any]], events: int) -> str:
    """The medians by contender and the claims, as text."""
    lines = [f"{events:,} events, {len(SNAPSHOTS)} snapshots, medians of {len(rounds)} interleaved rounds", ""]
    lines += [f"{'':10}{'features':>12}{'seconds':>12}{'CPU seconds':>12}{'peak GB':>12}"]
    for name in CONTENDERS:
        found_medians = {k: median(one[name][k] for one in rounds) for k in rounds[0][name]}
        lines.append(
            f"{name:10}" + "".join(f"{v:>12,.{0 if k == 'features' else 2}f}" for k, v in found_medians.items())
        )
    lines.append("")
    for claim in found:
        spread = (
            f", ratio {claim['ratio']:.2f} ({claim['ratio_low']:.2f} to {claim['ratio_high']:.2f})"
            if claim["ratio"]
            else ""
        )
        goal = "" if claim["goal"] is None else f", goal {claim['goal']:g}: {'holds' if claim['holds'] else 'FAILS'}"
        lines.append(f"{claim['name']}: {claim['ours']:.2f} to {claim['control']:.2f}{spread}{goal}")
    return "\n".join(lines)


def compete(events: int, rounds: int, *, as_json: bool) -> None:
    """Make the data once, run the contenders in turn, compare their outputs, print."""
    with TemporaryDirectory(prefix="keepwell-benchmark-") as folder:
        subprocess.run(_command("make", Path(folder), events), check=True)
        results = [{name: measure(name, Path(folder), events) for name in CONTENDERS} for _ in range(rounds)]
        found = claims(results, differences(Path(folder)))
    print(json.dumps({"claims": found}, indent=2) if as_json else table(results, found, events))


def main() -> None:
    """Read the command line; without a contender, let all of them compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--contender", choices=["make", *CONTENDERS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender == "make":  # in a process of its own, whose memory the others do not inherit
        make(given.folder, given.events)
    elif given.contender:
        print(json.dumps(contend(given.contender, given.folder)))
    else:
        compete(given.events, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
