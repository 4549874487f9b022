"""One Spark session as Keepwell needs it: UTC, naive timestamps, ANSI SQL, quiet."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import filterwarnings

from features.config import Settings
from features.errors import SourceError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ALIKE = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
}
"""What makes Spark read our SQL as DuckDB does; the configuration may not say otherwise."""

QUIET = {"spark.ui.showConsoleProgress": "false", "spark.ui.enabled": "false"}

LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "4g",
    "spark.sql.shuffle.partitions": "8",
}
"""Defaults where the session is this machine alone; on a cluster they are the cluster's."""

PORTS = {"spark": 7077, "sc": 15002}
PATIENCE = 5
"""Seconds to wait for a master to answer at all; Spark itself would try for a minute and then say less."""


@contextmanager
def open_session(settings: Settings) -> Iterator["SparkSession"]:
    """A session on `[spark] master`; stopped at the end unless it ran before.

    Where this process has a session already, a sibling of it is handed out: its own SQL settings and temporary
    views, on the same cluster. What Spark writes to standard error is kept in `spark.log` under the home folder.

    Raises:
        SourceError: PySpark or Java is not installed, the master does not answer, or Spark refuses a setting.
    """
    _require_pyspark()
    _refuse_unlike(settings)
    _require_answer(settings.spark.master)
    _require_java(settings.spark.master)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    filterwarnings("ignore", "PySpark does not yet fully support pandas")  # nothing here goes through pandas
    getLogger("SQLQueryContextLogger").setLevel(CRITICAL)  # it prints every error that is raised, too
    running = SparkSession.getActiveSession()
    try:
        session = running.newSession() if running else _start(settings)
        for key, value in ALIKE.items():
            session.conf.set(key, value)
    except (PySparkException, OSError) as error:
        raise _not_started(settings, str(error)) from error
    try:
        yield session
    finally:
        if running is None:
            session.stop()


def _start(settings: Settings) -> "SparkSession":
    from pyspark.sql import SparkSession

    master = settings.spark.master
    if master.startswith("sc://"):
        builder: SparkSession.Builder = SparkSession.builder.remote(master)
        return builder.config(map=dict(settings.spark.settings)).getOrCreate()
    local = master.startswith("local")
    if local:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    defaults = QUIET | (LOCAL if local else {}) | {"spark.sql.warehouse.dir": str(settings.home_dir / "spark")}
    config = {"spark.app.name": "keepwell"} | defaults | settings.spark.settings | ALIKE | {"spark.master": master}
    _launch(config, settings.home_dir)
    return SparkSession.builder.config(map=config).getOrCreate()


def _launch(config: dict[str, str], home: Path) -> None:
    """Start the Java side with its standard error in a file; it lives as long as this process."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if SparkContext._gateway is not None:
        return
    home.mkdir(parents=True, exist_ok=True)
    with (home / "spark.log").open("ab") as log:
        conf = SparkConf(loadDefaults=False).setAll(list(config.items()))
        gateway = launch_gateway(conf, {"stderr": log})
    SparkContext._ensure_initialized(gateway=gateway)


def _refuse_unlike(settings: Settings) -> None:
    for key in ALIKE.keys() & settings.spark.settings.keys():
        raise SourceError(f"[spark.settings] {key} is Keepwell's own, {ALIKE[key]}: values would differ; leave it out")


def _require_pyspark() -> None:
    try:
        import pyspark  # noqa: F401
    except ModuleNotFoundError:
        raise SourceError(
            'engine = "spark" needs PySpark, which is not installed: pip install "keepwell[spark]"'
        ) from None


def _require_java(master: str) -> None:
    home = os.environ.get("JAVA_HOME")
    if not master.startswith("sc://") and shutil.which("java", path=f"{home}/bin" if home else None) is None:
        where = f"JAVA_HOME = {home} has no bin/java" if home else "there is no `java` on the PATH and no JAVA_HOME"
        raise SourceError(
            f"Spark needs Java 17 or newer, and {where}; install one (on Debian openjdk-17-jre-headless), "
            'or use Spark Connect, master = "sc://…", which needs none here'
        )


def _require_answer(master: str) -> None:
    """Refuse a `spark://` or `sc://` address at which nothing listens."""
    scheme, _, rest = master.partition("://")
    if scheme not in PORTS:
        return
    failures = []
    for address in rest.split("/")[0].split(";")[0].split(","):
        host, _, port = address.partition(":")
        try:
            socket.create_connection((host, int(port or PORTS[scheme])), timeout=PATIENCE).close()
        except (OSError, ValueError) as error:
            failures.append(f"{address}: {error}")
        else:
            return
    raise SourceError(
        f'[spark] master = "{master}" does not answer ({"; ".join(failures)}); start it, or correct the address'
    )


def _not_started(settings: Settings, detail: str) -> SourceError:
    first = detail.strip().splitlines()[0] if detail.strip() else "no reason given"
    return SourceError(
        f'Spark did not start on [spark] master = "{settings.spark.master}": {first}; '
        f"{settings.home_dir / 'spark.log'} may say more"
    )
