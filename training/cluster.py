"""The final model over a cluster: LightGBM's own distributed learner, a worker a task of one Spark barrier stage.

Rows go to the workers as Parquet under the home folder, which they must be able to read; LightGBM connects the workers
to each other, on ports that their operating systems give. Rounds and shape are those that looking forward found in
this process: an early stop would have to come to all workers at once.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.config import Settings
from features.declare import Feature
from features.spark.session import open_session
from training import worker
from training.errors import EvidenceError
from training.model import Matrix, parameters
from training.split import Rows
from training.stored import store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS_AT_ONCE = 100_000
LABEL = "churned"


@dataclass(frozen=True)
class Cluster:
    """So many workers on a Spark session, one a task slot; rows for them are written under `home`."""

    session: "SparkSession"
    home: Path
    workers: int

    def fit(
        self, matrix: Matrix, churned: Rows, features: tuple[Feature, ...], shape: dict[str, float], rounds: int
    ) -> str:
        """As `model.fit_here`; every tree is of one component too, though not the very tree of one process.

        Raises:
            EvidenceError: a worker failed, or cannot read the rows.
        """
        told = parameters(features, shape, threads=_cpus(self.session))
        task = worker.worker(told, [i for i, f in enumerate(features) if f.categories], rounds)
        self.home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="rows-", dir=self.home) as folder:
            store(_parts(matrix, churned), Path(folder) / "rows.parquet")
            return _without_addresses(self._run(task, Path(folder)))

    def _run(self, task: worker.Task, folder: Path) -> str:
        from py4j.protocol import Py4JError
        from pyspark import cloudpickle
        from pyspark.errors import PySparkException

        cloudpickle.register_pickle_by_value(worker)  # so that the workers need not have it
        try:
            rows = self.session.read.parquet(folder.as_uri()).repartition(self.workers)
            (row,) = rows.mapInArrow(task, "model string", barrier=True).collect()
        except (PySparkException, Py4JError) as error:
            raise EvidenceError(
                f"training over Spark failed: {_reason(error)}. Every worker needs LightGBM, a home ({self.home}) "
                "that it can read, and ports open to the others; no model was registered"
            ) from error
        return str(row.model)


@contextmanager
def on_cluster(settings: Settings, workers: int | None) -> Iterator[Cluster]:
    """The company's Spark (see `open_session`) with so many workers, or one a task slot.

    Raises:
        SourceError: Spark cannot be had. EvidenceError: it has too few task slots, or may take executors away.
    """
    with open_session(settings) as session:
        yield Cluster(session, settings.home_dir, _workers(session, workers))


def _workers(session: "SparkSession", wanted: int | None) -> int:
    """How many workers there will be: all of a barrier stage start at once, or it waits for ever."""
    from pyspark.sql import functions

    if session.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        raise EvidenceError(
            "training over Spark needs all its workers at once, which dynamic allocation does not promise: set "
            '"spark.dynamicAllocation.enabled" = false in [spark.settings]'
        )
    session.range(1).count()  # an executor has come before its cores are counted
    cores = session.range(1_000_000).select(functions.spark_partition_id()).distinct().count()
    slots = cores // _cpus(session)
    if not 1 <= (wanted or slots) <= slots:
        raise EvidenceError(
            f"training over Spark by {wanted or 1} workers needs as many task slots at once, and [spark] master has "
            f"{slots} ({cores} cores, {_cpus(session)} a task): ask for {slots} with --workers, or add executors"
        )
    return wanted or slots


def _cpus(session: "SparkSession") -> int:
    """Cores of a task, all of which its worker uses."""
    return int(session.conf.get("spark.task.cpus", "1") or 1)


def _parts(matrix: Matrix, churned: Rows) -> Iterator[pa.Table]:
    """The rows that are learned from, some at a time: f0, f1, … and the label."""
    names = [f"f{i}" for i in range(matrix.shape[1])]
    for first in range(0, len(churned), ROWS_AT_ONCE):
        here = slice(first, first + ROWS_AT_ONCE)
        columns = dict(zip(names, matrix[here].T, strict=True))
        yield pa.table(columns | {LABEL: churned[here].astype(np.float64)})


def _without_addresses(text: str) -> str:
    """A model's text says with which parameters it was learned: not at which addresses."""
    text = re.sub(r"^\[machines: .*\]$", "[machines: ]", text, flags=re.MULTILINE)
    return re.sub(r"^\[local_listen_port: .*\]$", "[local_listen_port: 12400]", text, flags=re.MULTILINE)


def _reason(error: Exception) -> str:
    """The last line that names an error: of Python's traceback on a worker, where there is one."""
    found = r"^[:\s]*(?:Caused by: )?([\w.]*(?:Error|Exception|Failed): .+)$"
    named = re.findall(found, str(error), flags=re.MULTILINE)
    return str(named[-1] if named else str(error).strip().splitlines()[0]).strip().rstrip(".")
