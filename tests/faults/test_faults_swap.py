"""The alias moves under load, in a real MLflow: no request fails, and none is answered by two models."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from time import monotonic, sleep

import numpy as np
import pytest

from features.config import load
from serving.bundle import probe_of, save
from serving.registry import client
from serving.score import score

CLIENTS = 3
LOOKS = 8
FEATURES = {"nps_last": 3.0, "active_days_28d": 4.0}
ASK = {"rows": [{"external_id": str(i), "features": FEATURES} for i in range(20)], "explain": False}


def registered(settings, bundles, folder):
    """Register each bundle; their versions."""
    api, name = client(settings), settings.tracking.model_name
    api.create_registered_model(name)
    experiment, versions = api.create_experiment("swap", (folder / "artifacts").as_uri()), []
    for number, bundle in enumerate(bundles):
        run = api.create_run(experiment)
        save(bundle, folder / f"bundle-{number}")
        api.log_artifacts(run.info.run_id, str(folder / f"bundle-{number}"), "bundle")
        made = api.create_model_version(name, f"{run.info.artifact_uri}/bundle", run.info.run_id)
        versions.append(str(made.version))
    return api, name, versions


def ask_on(live, stop):
    """Ask until told to stop: how often which model answered, each with the probability that all 20 rows got."""
    told = Counter()
    while not stop.is_set():
        status, _, body = live.ask("POST", "/v1/predict", json.dumps(ASK))
        assert status == 200, body
        answer = json.loads(body)
        rows = {(row["model_version"], row["churn_probability"]) for row in answer["results"]}
        assert {version for version, _ in rows} == {answer["model"]["version"]}
        assert len(answer["results"]) == len(ASK["rows"])
        told.update(rows)
        sleep(0.01)
    return told


def wait_for(live, version, asking, seconds=120):
    """Until all processes serve it: so many answers of one kind are not by chance those of one of them."""
    until = monotonic() + seconds
    while {live_version(live) for _ in range(LOOKS)} != {version}:
        assert monotonic() < until, f"version {version} is not taken into service"
        assert not any(one.done() for one in asking), [one.result() for one in asking if one.done()]
        sleep(0.05)


def live_version(live):
    return json.loads(live.ask("GET", "/v1/model")[2])["model"]["version"]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("swaps", [pytest.param(50, id=f"50, part {part}") for part in range(1, 5)])
def test_200_moves_of_the_alias_under_load_fail_no_request_and_mix_no_models(company, bundle, rows, swaps):
    live = company(KEEPWELL_BUNDLE=None)
    other = replace(bundle, calibration=replace(bundle.calibration, intercept=-0.5))
    other = replace(other, probe=probe_of(other, rows[:8]))
    api, name, versions = registered(load(live.folder / "keepwell.toml"), [bundle, other], live.folder)
    row = np.full((1, len(bundle.features)), np.nan)
    for place, spec in enumerate(bundle.features):
        row[0, place] = FEATURES.get(spec.name, np.nan)
    wanted = {version: score(one, row).probability[0] for version, one in zip(versions, (bundle, other), strict=True)}
    api.set_registered_model_alias(name, "champion", versions[0])
    live.start()
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask_on, live, stop) for _ in range(CLIENTS)]
        try:
            for swap in range(1, swaps + 1):
                api.set_registered_model_alias(name, "champion", versions[swap % 2])
                wait_for(live, versions[swap % 2], asking)
        finally:
            stop.set()
        told = sum((one.result() for one in asking), Counter())
    print(swaps, "swaps,", sum(told.values()), "answers:", dict(told))  # noqa: T201
    assert set(told) == set(wanted.items())
    assert len(set(wanted.values())) == 2
