"""Every benchmark runs small and says what it claims; whether a claim holds is for its full size to tell."""

import json
import re
import subprocess
import sys
import warnings
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from shutil import copy

import pytest

from benchmarks import endpoint
from benchmarks.tools import bare
from benchmarks.tools.model import learn
from benchmarks.tools.report import here, written
from benchmarks.tools.work import BUNDLE
from serving.api import ModelHolder, create_app, open_context
from serving.api.asks import Predict
from serving.bundle import save
from serving.policy import load as load_policy
from serving.store import keys, open_store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = {
    "explain.py": ("--rows", "4000", "--trees", "10", "--rounds", "1"),
    "online.py": ("--few", "200", "--many", "400", "--rounds", "1"),
    "features.py": ("--events", "20000", "--accounts", "300", "--rounds", "1"),
    "incremental.py": ("--events", "20000", "--rounds", "1"),
}

SLOW = {
    "book.py": ("--accounts", "200", "--events", "10000", "--trees", "10", "--rounds", "1"),
    "endpoint.py": ("--trees", "10", "--seconds", "0.5", "--rounds", "1"),
    "spark.py": ("--rows", "20000", "--rounds", "1"),
    "training.py": ("--rows", "5000", "--rounds", "1"),
}
"""Small, and yet a minute of both cores, or more."""


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
    page = written({script: told | here() | {"command": script, "seconds": 1.0}})
    assert all(f"| {script} | {claim['name']} | " in page for claim in told["claims"])


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


@pytest.mark.slow
def test_the_endpoint_answers_all_and_as_the_others_do():
    claims = {claim["name"]: claim for claim in json.loads(ran("endpoint.py", "--json"))["claims"]}
    assert claims["answers that are not keepwell's"]["holds"]
    assert claims["errors"]["holds"]


@pytest.fixture(scope="module")
def learned():
    return learn(10)


@pytest.mark.parametrize("explain", [True, False])
def test_what_the_endpoint_is_compared_with_does_the_same_work(learned, tmp_path, monkeypatch, explain):
    from benchmarks.tools import stock  # BentoML takes seconds

    bundle, rows = learned
    save(bundle, tmp_path / "bundle")
    monkeypatch.setenv(BUNDLE, str(tmp_path / "bundle"))
    body = endpoint.bodies_of(bundle, rows, explain=explain)[0]
    store, policy = open_store(f"sqlite:///{tmp_path / 'store.db'}"), load_policy()
    with store.write() as db:
        _, key = keys.create(db, name="benchmark", role="score", at=datetime(2026, 1, 1))
    models = ModelHolder(policy.bands)
    models.put(bundle, None, at=datetime(2026, 1, 1))
    ours = create_app(partial(open_context, store, models, policy, secret=b"s" * 32))
    with TestClient(ours) as client, TestClient(bare.app()) as other:
        found = compared(client.post("/v1/predict", json=body, headers={"X-API-Key": key}).json())
        assert compared(other.post("/predict", json=body).json()) == found
    store.close()
    assert found["status"] == "ok"
    assert bool(found["top_factors"]) == explain
    ask = Predict.model_validate(body)
    for contender in (stock.Ours, stock.Plain):
        answer = contender.inner().predict(ask.rows, ask.max_top_factors, ask.explain)
        assert compared(json.loads(answer.model_dump_json())) == found


def compared(answer):
    """The only result of an answer, as the benchmark compares it."""
    (found,) = answer["results"]
    return endpoint.rounded({name: value for name, value in found.items() if name not in endpoint.MOMENTS})


@pytest.mark.slow
def test_a_book_is_scored_within_its_memory_and_every_stage_has_its_time():
    claims = {claim["name"]: claim for claim in json.loads(ran("book.py", "--json"))["claims"]}
    assert claims["peak gigabytes of the command"]["holds"]
    assert all(claim["ours"] > 0 for claim in claims.values())
    assert len(claims) == 6


QUICK = """
import json, sys
rows = float(sys.argv[sys.argv.index("--rows") + 1])
claim = {"name": "apart", "ours": rows, "control": 0, "ratio": None, "goal": 1, "holds": rows <= 1}
print(json.dumps({"claims": [claim], "tables": ["a table"]}))
"""


@pytest.fixture
def report(tmp_path):
    """A copy of the report over one benchmark that takes no time; gives how it ran, what it kept and its page."""
    (tmp_path / "tools").mkdir()
    copy(BENCHMARKS / "tools" / "report.py", tmp_path / "tools")
    (tmp_path / "quick.py").write_text(QUICK)
    for words in ("init -q", "add .", "-c user.name=a -c user.email=b commit -q -m quick"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    kept = tmp_path / "kept" / "benchmarks.json"
    kept.parent.mkdir()

    def run(rows):
        script = [sys.executable, "-P", str(tmp_path / "tools" / "report.py"), "--only", "quick", "--kept", str(kept)]
        ran = subprocess.run([*script, "--with", "--rows", rows], capture_output=True, text=True, check=False)
        return ran, json.loads(kept.read_text())["quick"], kept.with_suffix(".md").read_text()

    return run


def test_a_report_keeps_what_was_measured_and_tells_what_failed(report):
    _, first, page = report("2")
    assert "| quick | apart | 2 | 1 | FAILS |" in page
    assert "a table" in page
    assert re.search(r"commit [0-9a-f]{7,}$", page, re.MULTILINE)
    assert first["commit"] in page
    assert "cores" in first["machine"]
    broken, after, page = report("none")
    assert broken.returncode == 1
    assert "did not run: quick" in broken.stderr
    assert {name: after[name] for name in first} == first
    assert "could not convert string to float: 'none'" in after["failed"]["failed"]
    assert "It did not run" in page
    mended, last, page = report("0.5")
    assert mended.returncode == 0
    assert "failed" not in last
    assert "It did not run" not in page


@cache
def ran(script: str, *words: str) -> str:
    command = [sys.executable, "-P", str(BENCHMARKS / script), *(SMALL | SLOW)[script], *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
