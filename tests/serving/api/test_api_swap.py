"""Models are swapped under load: no request fails, and none is answered by two models."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import count
from time import sleep

import numpy as np

from serving.api import Limits
from serving.score import score

AT = datetime(2026, 3, 2)
FEATURES = {"nps_last": 3.0, "active_days_28d": 4.0}


def test_swaps_under_load_fail_no_request_and_mix_no_models(serving, holder, bundle):
    other = replace(bundle, calibration=replace(bundle.calibration, intercept=-0.5))
    row = np.full((1, len(bundle.features)), np.nan)
    for name, value in FEATURES.items():
        row[0, [spec.name for spec in bundle.features].index(name)] = value
    wanted = {"1": score(bundle, row).probability[0], "2": score(other, row).probability[0]}
    served = serving(limits=Limits(per_second=10_000, burst=10_000, waiting=100, wait_seconds=30))
    rows = [{"external_id": str(i), "features": FEATURES} for i in range(20)]

    def ask(_):
        return served.ask("POST", "/v1/predict", json={"rows": rows, "explain": False})

    holder.put(bundle, "1", at=AT)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, i) for i in range(80)]
        for swap in count():
            holder.put((other, bundle)[swap % 2], "21"[swap % 2], at=AT)
            sleep(0.001)
            if swap >= 200 and all(one.done() for one in asked):
                break
        answers = [one.result() for one in asked]
    assert {answer.json()["model"]["version"] for answer in answers} == {"1", "2"}
    for answer in answers:
        assert answer.status_code == 200, answer.text
        version = answer.json()["model"]["version"]
        for result in answer.json()["results"]:
            assert result["model_version"] == version
            assert result["churn_probability"] == wanted[version]
    assert wanted["1"] != wanted["2"]
