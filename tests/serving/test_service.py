"""The service as it is started: BentoML's process, our addresses alone, and none of the trainer's tools."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import datetime
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil
import pytest

from retention.errors import RetentionError
from serving.bundle import save
from serving.environ import limits_of, usual_workers
from serving.errors import ServingError
from serving.opening import opened
from serving.starting import command, serve
from serving.store import audit, keys, open_store

CONFIG = """
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""
WEATHER = """
[causes.weather]
title = "Weather"
[causes.weather.sub]
storm = { title = "A storm", layer = "residual" }
"""


@pytest.fixture
def company(tmp_path, bundle, monkeypatch):
    """A configuration with a bundle and a store that knows one key: (config, store's address, token)."""
    for name in ("KEEPWELL_SECRET", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "keepwell.toml").write_text(CONFIG)
    save(bundle, tmp_path / "bundle")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("KEEPWELL_BUNDLE", str(tmp_path / "bundle"))
    monkeypatch.setenv("KEEPWELL_STORE_URL", url)
    store = open_store(url)
    with store.write() as db:
        _, token = keys.create(db, name="test", role="score", at=datetime(2026, 1, 1))
    store.close()
    return tmp_path / "keepwell.toml", url, token


def asked(address, body=None, token=None, more=None):
    headers = {"Content-Type": "application/json", **({"X-API-Key": token} if token else {}), **(more or {})}
    request = Request(address, data=None if body is None else json.dumps(body).encode(), headers=headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def ready(address, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if asked(f"{address}/readyz")[0] == 200:
                return True
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    return False


def serving(process):
    """How many processes serve."""
    return sum("_bentoml_impl.worker.service" in one.cmdline() for one in psutil.Process(process.pid).children())


def test_the_service_starts_answers_hides_bentomls_addresses_and_stops(company, monkeypatch):
    config, url, token = company
    monkeypatch.delenv("KEEPWELL_WORKERS", raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = serve(config, port=port)
    try:
        address = f"http://127.0.0.1:{port}"
        assert ready(address, process)
        assert serving(process) == usual_workers()
        body = {"rows": [{"external_id": "x", "features": {"nps_last": 3, "mrr": 100}}]}
        assert asked(f"{address}/v1/predict", body)[0] == 401
        status, answer = asked(f"{address}/v1/predict", body, token)
        assert status == 200
        assert json.loads(answer)["results"][0]["status"] == "ok"
        for theirs in ("/healthz", "/docs.json", "/schema.json"):
            assert asked(f"{address}{theirs}")[0] == 404, theirs
        assert asked(f"{address}/metrics")[0] == 401
        assert b"keepwell_requests_total" in asked(f"{address}/metrics", token=token)[1]
    finally:
        process.terminate()
        process.wait(timeout=30)
    store = open_store(url)
    with store.read() as db:
        assert [entry.action for entry in audit.recent(db)] == ["predict"]
    store.close()


SERVED = """
import sys, warnings
warnings.simplefilter("ignore")
from starlette.testclient import TestClient
from serving.service import build
with TestClient(build()) as client:
    key = {"X-API-Key": sys.argv[1]}
    rows = [{"external_id": "x", "features": {"nps_last": 3}}]
    assert client.post("/v1/predict", json={"rows": rows}, headers=key).status_code == 200
    assert client.get("/v1/accounts", headers=key).status_code == 200
print([name for name in ("mlflow", "pandas", "shap", "sklearn", "lightgbm", "matplotlib") if name in sys.modules])
"""


def test_the_serving_process_has_none_of_the_trainers_tools(company):
    config, _, token = company
    environ = {**os.environ, "KEEPWELL_CONFIG": str(config)}
    words = [sys.executable, "-c", SERVED, token]
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert ended.stdout.strip() == "[]", ended.stderr[-2000:]


def test_importing_the_service_opens_nothing(tmp_path):
    code = "import os, sys, serving.service; print(sorted(os.listdir('.')), 'serving.api' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[] False"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, (100, 200, 8, 16)),
        ({"KEEPWELL_REQUESTS_PER_SECOND": "7"}, (7, 14, 8, 16)),
        ({"KEEPWELL_CONCURRENCY": "3"}, (100, 200, 3, 6)),
        pytest.param({"KEEPWELL_WORKERS": "2"}, (100, 200, 4, 8), id="two workers have half of the places"),
        pytest.param({"KEEPWELL_WORKERS": "4", "KEEPWELL_CONCURRENCY": "1"}, (100, 200, 1, 1), id="but one at least"),
    ],
)
def test_the_environment_sets_the_limits(environ, wanted):
    found = limits_of(environ)
    assert (found.per_second, found.burst, found.running, found.waiting) == wanted


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ServingError, match="KEEPWELL_CONCURRENCY"):
        limits_of({"KEEPWELL_CONCURRENCY": value})


def test_a_configuration_that_cannot_be_served_is_refused_before_anything_starts(company, monkeypatch):
    monkeypatch.setenv("KEEPWELL_SECRET", "short")
    with pytest.raises(ServingError, match="too short"):
        serve(company[0])


def test_a_retention_toml_that_cannot_be_used_is_refused_before_anything_starts(company):
    (company[0].parent / "retention.toml").write_text("[causes.weather]\n")
    with pytest.raises(RetentionError, match="weather"):
        command(company[0])


def test_a_post_mortem_may_name_the_companys_own_causes(company):
    (company[0].parent / "retention.toml").write_text(WEATHER)
    with opened(company[0]) as context:
        assert context.causes.titles["weather.storm"] == "Weather: A storm"


def test_two_workers_share_keys_idempotency_jobs_limits_and_metrics(company, monkeypatch):
    """A connection comes to either; what one has done the other knows."""
    config, url, token = company
    monkeypatch.setenv("KEEPWELL_WORKERS", "2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, process = f"http://127.0.0.1:{port}", serve(config, port=port)
    row = {"external_id": "x", "features": {"active_days_28d": 3.0}}
    try:
        assert ready(address, process)
        assert serving(process) == 2
        for path, body, status in (("predict", {"rows": [row]}, 200), ("jobs", {"rows": [row] * 300}, 202)):
            once = {"Idempotency-Key": path}
            answers = {asked(f"{address}/v1/{path}", body, token, once) for _ in range(20)}
            assert [told for told, _ in answers] == [status]
        time.sleep(0.2)  # an answer is counted when it is on its way
        metrics = [asked(f"{address}/metrics", token=token)[1].decode() for _ in range(20)]
        counted = 'keepwell_requests_total{method="POST",route="/v1/predict",status="200"} 20.0'
        assert all(counted in told.splitlines() for told in metrics)
        store = open_store(url)
        with store.write() as db:
            assert keys.revoke(db, token.split("_")[1], at=datetime(2026, 1, 2))
        store.close()
        time.sleep(1.1)  # as long as a key that was just verified is believed
        assert {asked(f"{address}/v1/predict", {"rows": [row]}, token)[0] for _ in range(20)} == {401}
    finally:
        process.terminate()
        process.wait(timeout=60)
