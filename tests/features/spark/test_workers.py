"""Two Spark workers in processes of their own, of which one is killed while features or a model are computed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from shutil import which
from urllib.request import urlopen

import psutil
import pyarrow.parquet as pq
import pytest

from features import snapshots, table
from features.catalogue import declare, discover
from features.config import load
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write

pytestmark = [pytest.mark.slow, pytest.mark.faults]
DAYS = [datetime(2023, 11, 5), datetime(2024, 1, 28)]

SCRIPT = """
import sys
from datetime import datetime
from pathlib import Path
from features import snapshots, table
from features.catalogue import declare, discover
from features.config import load
from features.engines import engine_for
from features.sources import stage

settings = load(Path(sys.argv[1]))
with engine_for(settings) as engine:
    staged = stage(settings, engine, now=datetime(2026, 1, 1))
    print("staged", flush=True)
    sys.stdin.readline()
    snapshots.spine(settings, engine, staged, [datetime.fromisoformat(day) for day in sys.argv[3:]])
    catalogue = declare(staged, discover(engine, staged, known_by=datetime(2026, 1, 1), max_events=10))
    parts = (part for _, part in table.build_parts(engine, staged, catalogue))
    table.write(parts, table.schema(catalogue), Path(sys.argv[2]))
"""

FITTING = """
import sys
from pathlib import Path
import numpy as np
from features.config import load
from features.declare import Direction, Feature
from training.cluster import on_cluster

features = tuple(Feature(f"f{i}", "usage", "", "", "", Direction.UNKNOWN, component="usage", scan="") for i in range(8))
rng = np.random.default_rng(0)
rows = rng.normal(size=(100_000, 8))
churned = rng.random(len(rows)) < 1 / (1 + np.exp(2 - rows.sum(axis=1)))
shape = {"num_leaves": 7, "min_data_in_leaf": 50, "feature_fraction": 0.8}
with on_cluster(load(Path(sys.argv[1])), None) as cluster:
    assert cluster.workers == 2
    cluster.fit(rows, churned, features, shape, 1_000_000)
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until(found: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.2)


class Cluster:
    """A master and its workers on 127.0.0.1, each with a task slot and a process group of its own."""

    def __init__(self, folder: Path, workers: int) -> None:
        pyspark = pytest.importorskip("pyspark", reason="Spark suite: pyspark is not installed")
        if which("java") is None:
            pytest.skip("Spark suite: there is no Java on the PATH")
        self.home, self.folder = Path(pyspark.__file__).parent, folder
        self.port, self.page = free_port(), free_port()
        self.master = f"spark://127.0.0.1:{self.port}"
        self.processes = [self.start("master.Master", "--port", self.port, "--webui-port", self.page)]
        until(lambda: self.alive() == 0)
        options = ("--cores", 1, "--memory", "1g", "--webui-port", 0, "--work-dir", folder, self.master)
        self.workers = [self.start("worker.Worker", *options) for _ in range(workers)]
        self.processes += self.workers
        until(lambda: self.alive() == workers)

    def start(self, name: str, *options: object) -> "subprocess.Popen[bytes]":
        told = [str(self.home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1"]
        settings = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(self.home), "SPARK_DAEMON_MEMORY": "512m"}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                told + [str(option) for option in options],
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def alive(self) -> int:
        """Workers that the master knows to be alive; -1 where it does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as answer:
                return int(answer.read().decode().split('"aliveworkers" : ')[1].split(",")[0])
        except OSError:
            return -1

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """With its executors, which are of its group."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                self.kill(process)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    opened = Cluster(tmp_path, workers=2)
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path: Path, cluster: Cluster) -> Path:
    toml = write(simulate(accounts=60, months=14, seed=3), tmp_path / "raw")
    company = toml.read_text(encoding="utf-8")
    settings = {"spark.executor.memory": "700m", "spark.sql.shuffle.partitions": "4", "spark.driver.host": "127.0.0.1"}
    listed = ", ".join(f'"{key}" = "{value}"' for key, value in settings.items())
    toml.write_text(
        f'engine = "spark"\n{company}\n[spark]\nmaster = "{cluster.master}"\nsettings = {{ {listed} }}\n',
        encoding="utf-8",
    )
    return toml


def started(config: Path, out: Path) -> "subprocess.Popen[str]":
    days = [day.isoformat() for day in DAYS]
    return run(SCRIPT, config, out, *days)


def run(script: str, *words: object) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    told = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.Popen(told, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def on_duckdb(config: Path, home: Path) -> table.pa.Table:
    settings = load(config).model_copy(update={"engine": "duckdb"})
    with open_engine(home) as engine:
        staged = stage(settings, engine, now=datetime(2026, 1, 1))
        snapshots.spine(settings, engine, staged, DAYS)
        words = discover(engine, staged, known_by=datetime(2026, 1, 1), max_events=10)
        return table.build(engine, staged, declare(staged, words))


def test_a_worker_killed_after_staging_leaves_the_features_what_they_are(tmp_path, cluster, config):
    out = tmp_path / "features.parquet"
    job = started(config, out)
    assert job.stdout.readline() == "staged\n", job.stderr.read()
    cluster.kill(cluster.workers[0])
    _, told = job.communicate("\n", timeout=1200)
    assert job.returncode == 0, told
    assert pq.read_table(out).equals(on_duckdb(config, tmp_path / "home"))


def test_with_every_worker_lost_the_former_file_stays_and_the_message_says_why(tmp_path, cluster, config):
    out = tmp_path / "features.parquet"
    out.write_bytes(b"the former table")
    job = started(config, out)
    assert job.stdout.readline() == "staged\n", job.stderr.read()
    for worker in cluster.workers:
        cluster.kill(worker)
    cluster.processes.append(cluster.start("worker.Worker", "--cores", 1, "--memory", "1g", cluster.master))
    _, told = job.communicate("\n", timeout=1200)
    assert job.returncode != 0
    assert "SourceError: Spark lost all workers that held a table; nothing was written" in told.splitlines()[-1]
    assert out.read_bytes() == b"the former table"
    assert [path.name for path in tmp_path.glob(".features*")] == []


def has_begun(worker: "subprocess.Popen[bytes]") -> bool:
    """Whether a task in Python runs on a worker."""
    return any("python" in child.name() for child in psutil.Process(worker.pid).children(recursive=True))


def test_a_worker_killed_while_the_final_model_is_fitted_ends_it_in_one_line_and_leaves_nothing(cluster, config):
    job = run(FITTING, config)
    until(lambda: job.poll() is not None or all(map(has_begun, cluster.workers)))
    cluster.kill(cluster.workers[0])
    _, told = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "EvidenceError: training over Spark failed: " in told.splitlines()[-1]
    assert "no model was registered" in told.splitlines()[-1]
    assert list(load(config).home_dir.glob("rows-*")) == []
