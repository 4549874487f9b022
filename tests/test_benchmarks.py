"""Every benchmark runs small and says what it claims; whether a claim holds is for its full size to tell."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = {
    "endpoint.py": ("--trees", "10", "--seconds", "0.5", "--rounds", "1"),
    "explain.py": ("--rows", "4000", "--trees", "10", "--rounds", "1"),
    "online.py": ("--few", "200", "--many", "400", "--rounds", "1"),
    "features.py": ("--events", "20000", "--rounds", "1"),
}


def test_every_benchmark_has_a_small_size():
    assert SMALL.keys() == {path.name for path in BENCHMARKS.glob("*.py")}


@pytest.mark.parametrize("script", SMALL)
def test_claims_are_printed_as_one_object(script):
    told = json.loads(ran(script, "--json"))
    assert told.keys() == {"claims"}
    for claim in told["claims"]:
        assert {"name", "ours", "control", "ratio", "goal", "holds"} <= claim.keys()
        assert claim["holds"] in (True, False, None)
        assert (claim["holds"] is None) == (claim["goal"] is None)


def test_features_agree_with_the_group_by_and_stay_small():
    claims = {claim["name"]: claim for claim in json.loads(ran("features.py", "--json"))["claims"]}
    assert claims["rows or values that pandas has otherwise"]["holds"]
    assert claims["peak gigabytes"]["holds"]


def test_explanations_agree_with_shap_and_lightgbm():
    claims = {claim["name"]: claim for claim in json.loads(ran("explain.py", "--json"))["claims"]}
    assert claims["largest difference to a value of either"]["holds"]
    assert claims["largest difference of a row's sum to its log-odds"]["holds"]


def test_the_endpoint_answers_all_and_as_the_others_do():
    claims = {claim["name"]: claim for claim in json.loads(ran("endpoint.py", "--json"))["claims"]}
    assert claims["answers that are not keepwell's"]["holds"]
    assert claims["errors"]["holds"]


@cache
def ran(script: str, *words: str) -> str:
    command = [sys.executable, "-P", str(BENCHMARKS / script), *SMALL[script], *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
