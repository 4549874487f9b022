"""Run the benchmarks, one after the other, and write down what they found, with machine, versions and commit.

    python -P benchmarks/tools/report.py                          # all of them: docs/benchmarks.json and .md
    python -P benchmarks/tools/report.py --only explain book      # some; the others stay as they were measured last
    python -P benchmarks/tools/report.py --only explain --with --rows 4000 --rounds 1

One that fails is told of and the others go on; what it found when it last ran stays, with its own commit and date.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

FOLDER = Path(__file__).resolve().parents[1]
KEPT = FOLDER.parent / "docs" / "benchmarks.json"
GROWTH = ("features.py", "--growth", "100000", "1000000", "10000000", "100000000", "--rounds", "1")
"""How features grow with the events: a run of its own, since it takes gigabytes of disk."""

VERSIONS = ("duckdb", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "pyspark", "scikit-learn", "shap", "bentoml")
LAST_LINES = 5

Kept = dict[str, dict[str, Any]]
"""By benchmark what it found last and where (`commit`, `at`, `machine`, `versions`), and how it `failed` since."""


def commands() -> dict[str, tuple[str, ...]]:
    """The script and arguments of each benchmark, by name."""
    scripts = {path.stem: (path.name,) for path in sorted(FOLDER.glob("*.py"))}
    return scripts | {"growth": GROWTH}


def run(command: Sequence[str]) -> dict[str, Any]:
    """What a benchmark found, or `failed` with its last words; and the seconds that it took."""
    began = perf_counter()
    script = [sys.executable, "-P", str(FOLDER / command[0]), *command[1:], "--json"]
    ran = subprocess.run(script, capture_output=True, text=True, check=False)
    took = {
        "command": " ".join(("python -P benchmarks/" + command[0], *command[1:])),
        "seconds": perf_counter() - began,
    }
    try:
        found = json.loads(ran.stdout) if ran.returncode == 0 else None
    except json.JSONDecodeError:
        found = None
    if found is None:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-LAST_LINES:]
        return took | {"failed": "\n".join(said) or f"it ended with {ran.returncode}"}
    return took | {"claims": found["claims"], "tables": found.get("tables", [])}


def here() -> dict[str, Any]:
    """The machine, the versions and the commit."""
    return {
        "commit": _commit(),
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": _machine(),
        "versions": {name: found for name in VERSIONS if (found := _version(name))},
    }


def _commit() -> str:
    def git(*words: str) -> str:
        ran = subprocess.run(["git", *words], cwd=FOLDER, capture_output=True, text=True, check=False)
        return ran.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def _machine() -> str:
    model = "unknown processor"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, Python {sys.version.split()[0]}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def merged(kept: Kept, name: str, found: dict[str, Any], where: dict[str, Any]) -> Kept:
    """With what a benchmark found; after one that failed, what it found before stays beside the failure."""
    if "failed" in found:
        failed = {key: found[key] for key in ("failed", "command")} | {key: where[key] for key in ("commit", "at")}
        return kept | {name: kept.get(name, {}) | {"failed": failed}}
    return kept | {name: found | where}


def written(kept: Kept) -> str:
    """All that is kept, as a page."""
    lines = [
        "# Benchmarks",
        "",
        "What `make bench` found: each claim against a control in the same run, in turn, as medians over rounds with",
        "the lowest and the highest. A goal is what was promised, whether or not it holds. Each part says when, where",
        "and of which commit it was measured; `python -P benchmarks/tools/report.py --only NAME` measures one again.",
        "",
        "| benchmark | claim | measured | goal | |",
        "|---|---|---|---|---|",
    ]
    for name, one in kept.items():
        lines += [_row(name, claim) for claim in one.get("claims", [])]
    for name, one in kept.items():
        lines += ["", f"## {name}", "", *_told(one)]
    return "\n".join(lines) + "\n"


def _row(name: str, claim: dict[str, Any]) -> str:
    if claim["ratio"] is None:
        measured = f"{claim['ours']:.3g}"
    else:
        measured = f"{claim['ratio']:.2f} times ({claim['ratio_low']:.2f} to {claim['ratio_high']:.2f})"
    goal = "" if claim["goal"] is None else f"{claim['goal']:g}"
    holds = {True: "holds", False: "FAILS", None: ""}[claim["holds"]]
    return f"| {name} | {claim['name'].replace('|', '/')} | {measured} | {goal} | {holds} |"


def _told(one: dict[str, Any]) -> list[str]:
    lines = []
    if "failed" in one:
        failed = one["failed"]
        lines += [f"It did not run at {failed['commit']} on {failed['at']} (`{failed['command']}`):", ""]
        lines += ["```", *failed["failed"].splitlines(), "```"]
    if "claims" in one:
        versions = ", ".join(f"{name} {found}" for name, found in one["versions"].items())
        lines += ["", f"`{one['command']}`, {one['seconds']:,.0f} s, {one['at']}, commit {one['commit']}", ""]
        lines += [f"{one['machine']}; {versions}"]
        if one["tables"]:
            lines += ["", "```", *"\n".join(one["tables"]).rstrip().splitlines(), "```"]
    return lines


def main() -> None:
    """Read the command line, run, write after each, and end with 1 where a benchmark failed to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(commands()), help="these alone")
    parser.add_argument("--kept", type=Path, default=KEPT, help="what was found so far; the page stands beside it")
    parser.add_argument("--with", nargs=argparse.REMAINDER, default=[], dest="more", help="arguments for each of them")
    given = parser.parse_args()
    kept: Kept = json.loads(given.kept.read_text(encoding="utf-8")) if given.kept.exists() else {}
    failed = []
    for name in given.only or commands():
        print(f"{name} …", file=sys.stderr)
        found = run((*commands()[name], *given.more))
        failed += [name] if "failed" in found else []
        kept = merged(kept, name, found, here())
        kept = {known: kept[known] for known in commands() if known in kept}
        given.kept.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        given.kept.with_suffix(".md").write_text(written(kept), encoding="utf-8")
    if failed:
        raise SystemExit(f"did not run: {', '.join(failed)}; {given.kept.with_suffix('.md')} says why")


if __name__ == "__main__":
    main()
