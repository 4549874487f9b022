"""Every benchmark runs small and says what it claims; whether a claim holds is for its full size to tell."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = {
    "book.py": ("--accounts", "200", "--events", "10000", "--trees", "10", "--rounds", "1"),
    "endpoint.py": ("--trees", "10", "--seconds", "0.5", "--rounds", "1"),
    "explain.py": ("--rows", "4000", "--trees", "10", "--rounds", "1"),
    "online.py": ("--few", "200", "--many", "400", "--rounds", "1"),
    "features.py": ("--events", "20000", "--rounds", "1"),
    "incremental.py": ("--events", "20000", "--rounds", "1"),
}

SLOW = {
    "spark.py": ("--rows", "20000", "--rounds", "1"),
    "training.py": ("--rows", "5000", "--rounds", "1"),
}
"""Small, and yet minutes."""


def test_every_benchmark_has_a_small_size():
    assert SMALL.keys() | SLOW.keys() == {path.name for path in BENCHMARKS.glob("*.py")}


@pytest.mark.parametrize("script", [*SMALL, *(pytest.param(script, marks=pytest.mark.slow) for script in SLOW)])
def test_claims_are_printed_as_one_object(script):
    told = json.loads(ran(script, "--json"))
    assert {"claims"} <= told.keys() <= {"claims", "tables"}
    for claim in told["claims"]:
        assert {"name", "ours", "control", "ratio", "goal", "holds"} <= claim.keys()
        assert claim["holds"] in (True, False, None)
        assert (claim["holds"] is None) == (claim["goal"] is None)


def test_features_agree_with_pandas_and_polars_and_stay_small():
    claims = {claim["name"]: claim for claim in json.loads(ran("features.py", "--json"))["claims"]}
    assert claims["values that pandas has otherwise"]["holds"]
    assert claims["values that polars has otherwise"]["holds"]
    assert claims["peak GB of the usage part"]["holds"]


def test_a_new_day_and_late_rows_compute_what_they_touch():
    claims = {claim["name"]: claim for claim in json.loads(ran("incremental.py", "--json"))["claims"]}
    assert claims["snapshots computed that were not to be, or not computed"]["holds"]


@pytest.mark.slow
def test_spark_has_the_same_cells():
    claims = {claim["name"]: claim for claim in json.loads(ran("spark.py", "--json"))["claims"]}
    assert claims["differing cells"]["holds"]


def test_explanations_agree_with_shap_and_lightgbm():
    claims = {claim["name"]: claim for claim in json.loads(ran("explain.py", "--json"))["claims"]}
    assert claims["largest difference to a value of either"]["holds"]
    assert claims["largest difference of a row's sum to its log-odds"]["holds"]


@pytest.mark.slow
def test_a_model_from_disk_is_as_good_as_one_from_memory():
    claims = {claim["name"]: claim for claim in json.loads(ran("training.py", "--json"))["claims"]}
    assert claims["largest difference in AUC"]["holds"]
    assert claims["peak gigabytes"]["holds"]


def test_the_endpoint_answers_all_and_as_the_others_do():
    claims = {claim["name"]: claim for claim in json.loads(ran("endpoint.py", "--json"))["claims"]}
    assert claims["answers that are not keepwell's"]["holds"]
    assert claims["errors"]["holds"]


def test_a_book_is_scored_within_its_memory_and_every_stage_has_its_time():
    claims = {claim["name"]: claim for claim in json.loads(ran("book.py", "--json"))["claims"]}
    assert claims["peak gigabytes of the command"]["holds"]
    assert all(claim["ours"] > 0 for claim in claims.values())
    assert len(claims) == 6


def test_a_report_keeps_what_was_measured_and_tells_what_failed(tmp_path):
    kept = tmp_path / "benchmarks.json"
    report("explain", kept, *SMALL["explain.py"])
    first = json.loads(kept.read_text())["explain"]
    page = kept.with_suffix(".md").read_text()
    assert "| explain | largest difference" in page
    assert first["commit"] in page
    assert "cores" in first["machine"]
    broken = report("explain", kept, "--rows", "none")
    assert broken.returncode == 1
    assert "did not run: explain" in broken.stderr
    after = json.loads(kept.read_text())["explain"]
    assert {name: after[name] for name in first} == first
    assert "invalid int value: 'none'" in after["failed"]["failed"]
    assert "It did not run" in kept.with_suffix(".md").read_text()
    report("explain", kept, *SMALL["explain.py"])
    assert "failed" not in json.loads(kept.read_text())["explain"]


def report(name, kept, *more):
    script = BENCHMARKS / "tools" / "report.py"
    command = [sys.executable, "-P", str(script), "--only", name, "--kept", str(kept), "--with", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@cache
def ran(script: str, *words: str) -> str:
    command = [sys.executable, "-P", str(BENCHMARKS / script), *(SMALL | SLOW)[script], *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
