"""Spark Connect: a server in a process of its own, and a command that has no Java."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pyarrow.parquet as pq
import pytest

from features.synthetic import simulate, write

pytestmark = pytest.mark.slow
DAY = "2023-07-02"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a Connect server on two threads of this machine."""
    pyspark = pytest.importorskip("pyspark", reason="Spark suite: pyspark is not installed")
    pytest.importorskip("grpc", reason="Spark suite: pyspark[connect] is not installed")
    if which("java") is None:
        pytest.skip("Spark suite: there is no Java on the PATH")
    home, port = Path(pyspark.__file__).parent, free_port()
    conf = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": 2,
        "spark.sql.warehouse.dir": tmp_path / "warehouse",
        "spark.ui.enabled": "false",
    }
    told = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    name = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]")
    submit = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy.SparkSubmit", *name, *told, "spark-internal"]
    own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(submit, env=os.environ | own, cwd=tmp_path, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 120
        while not answers(port):
            assert process.poll() is None, (tmp_path / "server.log").read_text(encoding="utf-8")
            assert time.monotonic() < end, "it did not come in time"
            time.sleep(0.2)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def keepwell(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process without Java: this one may have a session of another kind."""
    bare = {key: value for key, value in os.environ.items() if key != "JAVA_HOME"} | {"PATH": str(tmp_path)}
    command = [sys.executable, "-m", "keepwell", *words]
    return subprocess.run(command, env=bare, capture_output=True, text=True, check=False)


def test_features_over_connect_are_those_of_duckdb_and_need_no_java_here(tmp_path, server):
    toml = write(simulate(accounts=40, months=8, seed=3), tmp_path / "raw")
    company = toml.read_text(encoding="utf-8")
    over = toml.with_name("over.toml")
    over.write_text(f'engine = "spark"\n{company}\n[spark]\nmaster = "{server}"\n', encoding="utf-8")
    found = {}
    for config in (toml, over):
        out = tmp_path / f"{config.stem}.parquet"
        ran = keepwell(tmp_path, "features", "--config", str(config), "--as-of", DAY, "--out", str(out))
        assert ran.returncode == 0, ran.stderr
        found[config] = pq.read_table(out)
    assert found[toml].num_rows > 30
    assert found[over].equals(found[toml])


def test_a_column_that_is_not_there_is_named_over_connect(tmp_path, server):
    (tmp_path / "terms.csv").write_text("account_id,started_at\na,2025-01-01\n", encoding="utf-8")
    lines = ['engine = "spark"', "[spark]", f'master = "{server}"', "[sources.subscriptions]", 'path = "terms.csv"']
    (tmp_path / "keepwell.toml").write_text("\n".join([*lines, 'mrr = "price * 2"']), encoding="utf-8")
    ran = keepwell(tmp_path, "check", "--config", str(tmp_path / "keepwell.toml"))
    assert ran.returncode == 1
    assert "price" in ran.stderr
    assert "Traceback" not in ran.stderr
