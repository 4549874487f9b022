"""Jobs: thousands of rows, progress, results in two formats, cancelling, and workers that die."""

import io
import json
import time
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from serving.api.worker import SILENT
from serving.store import jobs

ROWS = [{"external_id": f"x{i}", "features": {"nps_last": i % 11}} for i in range(450)]


def finished(served, job, *, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        told = served.ask("GET", f"/v1/jobs/{job['id']}").json()
        if told["state"] not in ("queued", "running"):
            return told
        time.sleep(0.02)
    raise AssertionError(f"the job is {told['state']} after {seconds} s")


def submitted(served, **ask):
    answer = served.ask("POST", "/v1/jobs", json=ask)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_a_job_answers_as_the_endpoint_does_in_the_same_order(served):
    job = submitted(served, rows=ROWS)
    done = finished(served, job)
    assert (done["state"], done["done"], done["total"]) == ("done", 450, 450)
    answer = served.ask("GET", done["result"])
    assert answer.headers["content-type"] == "application/jsonl"
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["external_id"] for row in told] == [row["external_id"] for row in ROWS]
    direct = served.ask("POST", "/v1/predict", json={"rows": ROWS[:1]}).json()["results"][0]
    assert told[0] == direct


def test_a_job_gives_parquet_with_the_flat_fields(served):
    job = submitted(served, account_ids=["acme-03", "nobody"], format="parquet")
    answer = served.ask("GET", finished(served, job)["result"])
    table = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    (direct, _) = served.ask("POST", "/v1/predict", json={"account_ids": ["acme-03", "nobody"]}).json()["results"]
    assert [row["status"] for row in table] == ["ok", "not_found"]
    for name in ("churn_probability", "health_score", "tier", "top_driver_1", "reason"):
        assert table[0][name] == direct[name]
    assert table[1]["health_score"] is None


def test_a_job_of_another_key_is_not_there_except_for_an_admin(served):
    job = served.ask("POST", "/v1/jobs", json={"account_ids": ["acme-01"]}, key="score").json()
    path = f"/v1/jobs/{job['id']}"
    for method, rest in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        assert served.ask(method, path + rest, key="decide").status_code == 404
    assert served.ask("GET", path, key="admin").status_code == 200


def test_a_job_that_waits_can_be_cancelled_once(serving, keep, store):
    keep()
    served = serving(with_worker=False)
    job = submitted(served, rows=ROWS)
    path = f"/v1/jobs/{job['id']}"
    assert served.ask("GET", f"{path}/result").status_code == 409
    assert served.ask("DELETE", path).json()["state"] == "cancelled"
    assert served.ask("DELETE", path).status_code == 409
    with store.write() as db:
        assert jobs.claim(db, at=served.context.clock()) is None


def test_a_job_whose_worker_died_is_taken_up_again(serving, keep, store):
    keep()
    first = serving(with_worker=False)
    job = submitted(first, rows=ROWS[:3])
    with store.write() as db:
        jobs.claim(db, at=first.context.clock() - SILENT - timedelta(seconds=1))
    assert finished(serving(), job)["state"] == "done"


def test_a_job_without_a_model_fails_and_says_why(serving, keep):
    keep()
    served = serving(live=None)
    told = finished(served, submitted(served, rows=ROWS[:2]))
    assert told["state"] == "failed"
    assert "live model" in told["error"]


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "%00"])
def test_a_job_that_is_not_there_is_not_found(served, job_id):
    for method, rest in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        assert served.ask(method, f"/v1/jobs/{job_id}{rest}").status_code == 404


@pytest.mark.parametrize(
    "ask",
    [
        {"account_ids": ["x"] * 10_001},
        {"account_ids": ["x"], "format": "csv"},
        {"rows": ROWS[:1], "accounts": [{"external_id": "x"}]},
        {},
    ],
)
def test_a_job_that_cannot_be_asked_for_is_refused(served, ask):
    assert served.ask("POST", "/v1/jobs", json=ask).status_code == 422
