"""DuckDB and Spark lead to the same model and the same evidence, to the last digit."""

import numpy as np
import pytest

from features.config import load
from features.engine import open_engine
from features.synthetic import simulate, write
from training.run import as_json, train

ITS_OWN = {"trained_at"}
"""What tells of the run and not of the model."""


def told(training):
    """What `train --json` prints, without what is the run's own."""
    found = as_json(training, None)
    found["about"] = {name: value for name, value in found["about"].items() if name not in ITS_OWN}
    return found


def different(one, other, path=""):
    """Where two JSON objects differ in type or value: paths, with both values."""
    if type(one) is not type(other):
        return [f"{path}: {one!r} {other!r}"]
    if isinstance(one, dict):
        names = [] if list(one) == list(other) else [f"{path}: {list(one)} {list(other)}"]
        return names + [
            found for k in one.keys() & other.keys() for found in different(one[k], other[k], f"{path}/{k}")
        ]
    if isinstance(one, list) and len(one) == len(other):
        return [
            found for i, pair in enumerate(zip(one, other, strict=True)) for found in different(*pair, f"{path}/{i}")
        ]
    return [] if one == other else [f"{path}: {one!r} {other!r}"]


@pytest.fixture
def both(spark, tmp_path):
    """A company's training on each engine, from the same files, in homes of their own."""
    from features.spark.engine import SparkEngine

    config = write(simulate(accounts=200, months=14, seed=2), tmp_path / "raw")
    found = []
    for kind in ("duckdb", "spark"):
        settings = load(config).model_copy(update={"engine": kind, "home": tmp_path / kind})
        if kind == "spark":
            found.append(train(settings, SparkEngine(spark.newSession()), lambda *_: None))
        else:
            with open_engine(settings.home_dir) as engine:
                found.append(train(settings, engine, lambda *_: None))
    return found


@pytest.mark.slow
def test_a_company_has_the_same_model_and_evidence_on_both_engines(both):
    here, there = both
    assert here.learned.bundle.booster.text == there.learned.bundle.booster.text
    assert np.array_equal(here.evidence.scores.drivers, there.evidence.scores.drivers)
    assert different(told(here), told(there)) == []
