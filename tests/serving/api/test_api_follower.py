"""Following the champion: through a child process, whatever becomes of it, of MLflow and of the bundles."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest

from features.config import load
from serving import registry
from serving.api import ModelHolder
from serving.api.follower import Follower, command
from serving.bundle import save
from serving.registry import Champion, client, follow

CONFIG = """
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""


def until(holds, seconds=30):
    """Wait until something holds; False when it never does."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def child(folder, *lines, then=""):
    """A child that prints these lines, then does something, then waits for the end of its standard input."""
    script = folder / "child.py"
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    script.write_text(f"import os, sys\nprint(*{told!r}, sep='\\n', flush=True)\n{then}\nsys.stdin.read()\n")
    return [sys.executable, str(script)]


@pytest.fixture
def folders(tmp_path, bundle):
    for name in ("one", "two", "cut"):
        save(bundle, tmp_path / name)
    (tmp_path / "cut" / "bundle.json").write_text("{")
    return tmp_path


@pytest.fixture
def following(policy):
    """Follow a child; the holder and the follower."""
    holder = ModelHolder(policy.bands)

    def start(words):
        return holder, Follower(holder, words, lambda: datetime(2026, 1, 1), again_seconds=0.05)

    return start


def test_the_last_version_told_is_live_and_chatter_is_passed_over(folders, following):
    lines = [
        "2026 INFO a library says hello",
        {"version": "1", "folder": str(folders / "one"), "run_id": "r1"},
        {"version": "2", "folder": str(folders / "two"), "run_id": "r2"},
    ]
    holder, follower = following(child(folders, *lines))
    with follower:
        assert until(lambda: holder.current is not None and holder.current.version == "2")
        assert holder.current.run_id == "r2"
        assert (holder.swaps, holder.problem()) == (2, None)
    assert not _is_alive(follower.pid)


@pytest.mark.parametrize(
    "bad", [{"version": "2", "folder": "{cut}"}, {"error": "MLflow at x failed"}], ids=["cut", "away"]
)
def test_the_last_good_one_stays_when_the_next_is_broken_or_the_registry_is_away(folders, following, bad):
    bad = {name: value.replace("{cut}", str(folders / "cut")) for name, value in bad.items()}
    holder, follower = following(child(folders, {"version": "1", "folder": str(folders / "one")}, bad))
    with follower:
        assert until(lambda: (holder.refused or holder.told) is not None)
        assert holder.current.version == "1"
        assert holder.problem() is None


def test_a_child_that_dies_is_started_again_and_the_model_is_not_swapped_for_itself(folders, following):
    words = child(folders, {"version": "1", "folder": str(folders / "one")}, then="os._exit(1)")
    holder, follower = following(words)
    with follower:
        assert until(lambda: follower.pid is not None)
        first = follower.pid
        assert until(lambda: follower.pid != first and holder.current is not None)
        assert until(lambda: follower.starts >= 4)
        assert holder.swaps == 1


def test_a_registry_without_a_champion_is_an_answer(folders, following):
    holder, follower = following(child(folders, {"version": None}))
    assert holder.problem() is not None
    with follower:
        assert until(lambda: holder.answered)
        assert holder.problem() is None


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_champion_is_told_when_the_alias_moves_and_errors_when_mlflow_is_away(tmp_path, bundle, monkeypatch):
    """Against a real MLflow on SQLite: no champion, version 1, version 2 (its copy damaged), none reachable."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "keepwell.toml").write_text(CONFIG)
    settings, told, stop = load(tmp_path / "keepwell.toml"), list[Champion](), Event()
    api, name = client(settings), settings.tracking.model_name
    api.create_registered_model(name)
    versions = [_register(api, name, bundle, tmp_path) for _ in range(2)]

    def promote_next(champion):
        told.append(champion)
        step = len(told)
        if step <= 2:
            api.set_registered_model_alias(name, "champion", versions[step - 1])
        if step == 2:
            folder, _ = registry.fetch_folder(settings, versions[1])
            (folder / "model.txt").write_text("cut off")
        if step == 3:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        if step == 4:
            stop.set()

    follow(settings, promote_next, stop=stop, every_seconds=0.01)
    assert [(one.version, one.error is not None) for one in told] == [
        (None, False),
        ("1", False),
        ("2", False),
        (None, True),
    ]
    assert "MLFLOW_TRACKING_URI" in told[3].error
    holder = ModelHolder()
    assert holder.offer(Path(told[2].folder), "2", at=datetime(2026, 1, 1))


def _register(api, name, bundle, folder):
    experiment = api.get_experiment_by_name("e")
    experiment_id = (
        experiment.experiment_id if experiment else api.create_experiment("e", (folder / "artifacts").as_uri())
    )
    run = api.create_run(experiment_id)
    save(bundle, folder / "bundle")
    api.log_artifacts(run.info.run_id, str(folder / "bundle"), "bundle")
    return api.create_model_version(name, f"{run.info.artifact_uri}/bundle", run.info.run_id).version


def test_a_child_without_a_configuration_says_so_and_ends(tmp_path):
    """With a configuration that does not exist, so that it need not wait for MLflow."""
    words = command(tmp_path / "none.toml")
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "does not exist" in json.loads(ended.stdout)["error"]


def test_the_child_ends_when_its_parent_is_killed(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "keepwell.toml").write_text(CONFIG)
    with subprocess.Popen(command(tmp_path / "keepwell.toml"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert json.loads(child.stdout.readline())["version"] is None
        child.stdin.close()
        assert child.wait(timeout=30) == 0
