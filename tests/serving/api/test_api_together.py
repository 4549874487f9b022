"""Several processes that serve together: one asks MLflow, all are ready or none, a key has one bucket in all."""

import os
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from serving.api import ModelHolder
from serving.api.follower import Follower
from serving.api.limits import Rates
from serving.api.problems import Problem
from serving.api.together import SLOTS, SharedBuckets, Together
from serving.bundle import save

HOLD = """
import sys, time
from pathlib import Path
from serving.api.together import SharedBuckets
buckets = SharedBuckets(Path(sys.argv[1]))
with buckets.alone():
    left, since = buckets.get("a")
    print("held", flush=True)
    time.sleep(0.5)
    buckets.put("a", (left - 1, since))
"""


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_a_key_has_one_bucket_whichever_process_it_asks(tmp_path):
    one, other = (Rates(0.5, 4, ticks=lambda: 100.0, buckets=SharedBuckets(tmp_path / "buckets")) for _ in range(2))
    for rates in (one, other, other, one):
        rates.take("a")
    other.take("b")
    for rates in (one, other):
        with pytest.raises(Problem) as told:
            rates.take("a")
        assert told.value.retry_after == 2


def test_two_processes_do_not_take_the_same_request(tmp_path):
    buckets = SharedBuckets(tmp_path / "buckets")
    buckets.put("a", (5.0, 1.0))
    words = [sys.executable, "-c", HOLD, str(tmp_path / "buckets")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with buckets.alone():
            assert buckets.get("a") == (4.0, 1.0)


def test_more_keys_than_slots_forget_one_another_and_go_on(tmp_path):
    buckets = SharedBuckets(tmp_path / "buckets")
    for i in range(SLOTS):
        buckets.put(f"key {i}", (float(i), 0.0))
    assert all(buckets.get(f"key {i}") == (float(i), 0.0) for i in range(SLOTS))
    buckets.put("one more", (0.5, 0.0))
    assert buckets.get("one more") == (0.5, 0.0)


def test_one_process_asks_mlflow_all_take_the_model_and_the_next_one_asks_when_it_ends(tmp_path, bundle, policy):
    save(bundle, tmp_path / "one")
    told = f'{{"version": "1", "folder": "{tmp_path / "one"}"}}'
    child = [
        sys.executable,
        "-c",
        f"import sys; print('a library says hello\\n' + {told!r}, flush=True); sys.stdin.read()",
    ]
    holders = [ModelHolder(policy.bands) for _ in range(2)]
    with closing(Together(tmp_path, 2)) as first, closing(Together(tmp_path, 2)) as second:
        asks, follows = (
            Follower(holder, child, lambda: datetime(2026, 1, 1), again_seconds=0.05, together=one)
            for holder, one in zip(holders, (first, second), strict=True)
        )
        with asks:
            assert until(lambda: asks.starts == 1)
            with follows:
                assert until(lambda: all(holder.current for holder in holders))
                assert (asks.starts, follows.starts, second.leads()) == (1, 0, False)
                asks.__exit__(None, None, None)
                first.close()
                assert until(lambda: follows.starts == 1)
                assert [holder.swaps for holder in holders] == [1, 1]


def test_who_is_started_again_has_the_model_before_it_serves(tmp_path, bundle, policy):
    save(bundle, tmp_path / "one")
    holder = ModelHolder(policy.bands)
    with closing(Together(tmp_path, 2)) as first, closing(Together(tmp_path, 2)) as second:
        assert first.leads()
        first.publish(f'{{"version": "1", "folder": "{tmp_path / "one"}"}}\n')
        with Follower(holder, [], lambda: datetime(2026, 1, 1), together=second):
            assert holder.current.version == "1"


def test_who_is_started_again_while_mlflow_is_away_has_the_last_model_that_it_named(tmp_path, bundle, policy):
    save(bundle, tmp_path / "one")
    words = f'{{"version": "1", "folder": "{tmp_path / "one"}"}}\n{{"version": null, "error": "away"}}'
    child = [sys.executable, "-c", f"import sys; print({words!r}, flush=True); sys.stdin.read()"]
    first, again = (ModelHolder(policy.bands) for _ in range(2))
    with (
        closing(Together(tmp_path, 2)) as one,
        closing(Together(tmp_path, 2)) as other,
        Follower(first, child, lambda: datetime(2026, 1, 1), together=one),
    ):
        assert until(lambda: first.told == "away")
        with Follower(again, child, lambda: datetime(2026, 1, 1), together=other) as follower:
            assert (again.current.version, again.told, follower.starts) == ("1", "away", 0)


def test_the_service_is_ready_when_all_of_its_processes_were_and_stays_so_when_one_ends(serving, tmp_path):
    with closing(Together(tmp_path, 2)) as together:
        served = serving(together=together)

        def ready():
            answer = served.client.get("/readyz")
            return answer.status_code, answer.json()["checks"]["workers"]

        assert ready() == (503, "failed")
        together.tell_ready()
        assert ready() == (503, "failed")
        (together.folder / f"ready-{os.getppid()}").touch()
        assert ready() == (200, "ok")
        for again in (1, 2):  # processes that are started in the place of others
            (together.folder / f"ready-{2**22 + again}").touch()
            assert ready() == (200, "ok")


def test_each_process_counts_its_connections_at_a_place_of_its_own(tmp_path):
    first, second, third = (Together(tmp_path, 2) for _ in range(3))
    a, b = first.connections(), second.connections()
    a.ours, b.ours = 3, 5
    assert (a.ours, b.ours, a.fewest) == (3, 5, 3)
    assert third.connections() is None
    second._place.close()
    assert third.connections().ours == 0


def test_nothing_is_left_to_a_process_that_is_gone_until_another_takes_its_place(tmp_path):
    first, second = (Together(tmp_path, 2) for _ in range(2))
    ours, _ = first.connections(), second.connections()
    ours.ours = 3
    ours.forget_gone()
    assert ours.fewest == 0
    second._place.close()  # as the kernel does for who is killed
    ours.forget_gone()
    assert ours.fewest == 3
    again = Together(tmp_path, 2)
    assert again.connections().ours == ours.fewest == 0


def test_what_is_left_of_services_that_are_gone_is_removed(tmp_path):
    there = f"{os.getpid()}-{Path('/proc/self/stat').read_text().split()[21]}"
    for name in (f"{2**22 + 1}-1", f"{os.getpid()}-1", there, "a stranger"):
        (tmp_path / "together" / name).mkdir(parents=True)
    with closing(Together(tmp_path, 2)) as together:
        left = {path.name for path in together.folder.parent.iterdir()}
    assert left == {together.folder.name, there, "a stranger"}
