"""The training table: what was known at each snapshot, beside what became of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features import kept, snapshots
from features.catalogue import KEYS, Catalogue, declare, discover
from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from training.errors import EvidenceError
from training.labels import CENSORED, CHURNED, STAYED, Labels, label, observed_until
from training.split import Split, split
from training.stored import Stored, open_stored, store

Progress = Callable[[int, int], None]
"""Called with (snapshot rows done, snapshot rows in all)."""

FIRST_HISTORY_DAYS = 28
"""An account's book is first looked at when the data is this old: before, every window is empty."""
IN_MEMORY = 100_000_000
"""A table of more numbers than this (0.8 GB) stays on disk; of a smaller one training holds several copies at once."""


@dataclass(frozen=True)
class History:
    """Snapshots with features and outcomes; every array has one entry per snapshot row.

    Rows are stayed, churned, involuntary or censored (`labels`); `judged` marks those a model may learn from or
    be tested on. `features` are a frame, or stay on disk where the table is large.
    """

    features: pd.DataFrame | Stored
    accounts: NDArray[np.str_]
    moments: NDArray[np.datetime64]
    labels: Labels
    catalogue: Catalogue

    @property
    def churned(self) -> NDArray[np.bool_]:
        """Whether the row's account churned in its window."""
        found: NDArray[np.bool_] = (self.labels.table["outcome"] == CHURNED).to_numpy()
        return found

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Rows whose outcome is known and is the model's business."""
        found: NDArray[np.bool_] = self.labels.table["outcome"].isin([STAYED, CHURNED]).to_numpy()
        return found

    @property
    def matrix(self) -> NDArray[np.float64] | Stored:
        """The features as (rows, features), in catalogue order."""
        return self.features if isinstance(self.features, Stored) else self.features.to_numpy(dtype=np.float64)

    def values(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> NDArray[np.float64]:
        """Some rows of the matrix, in memory."""
        return np.asarray(self.matrix[rows])

    def column(self, name: str) -> NDArray[np.float64]:
        """A feature's value at every row."""
        return np.asarray(self.matrix[:, [self.catalogue.names.index(name)]])[:, 0]


def load_history(settings: Settings, engine: Engine, staged: Staged, progress: Progress) -> tuple[History, Split]:
    """Snapshots over all of history, their features and labels, and the split by time.

    Snapshots whose window is not closed are labelled, counted as censored, and left out of the arrays.
    """
    labels = labelled_spine(settings, engine, staged)
    closed = Labels(
        labels.table[labels.table["outcome"] != CENSORED].reset_index(drop=True), labels.observed_until, labels.counts()
    )
    judged = closed.table["outcome"].isin([STAYED, CHURNED]).to_numpy()
    parts = split(settings, closed.table["snapshot_at"].to_numpy(), judged)
    engine.register("spine", pa.Table.from_pandas(closed.table[["account_id", "snapshot_at"]], preserve_index=False))
    vocabulary = discover(engine, staged, known_by=parts.last_training, max_events=settings.features.max_events)
    catalogue = declare(staged, vocabulary)
    rows = len(closed.table)
    groups = kept.parts(engine, staged, catalogue, settings.home_dir, progress)
    if rows * len(catalogue.names) > IN_MEMORY:
        keys, features = _on_disk(settings.home_dir, groups, catalogue.names)
    else:
        frame = pd.concat([group.to_pandas() for group in groups], ignore_index=True)
        keys, features = frame[list(KEYS)], frame[catalogue.names]
    if not keys.equals(closed.table[list(KEYS)]):
        raise EvidenceError("features and labels do not line up row by row; this is a bug, please report it")
    accounts, moments = keys["account_id"].to_numpy(dtype=str), keys["snapshot_at"].to_numpy()
    return History(features, accounts, moments, closed, catalogue), parts


def _on_disk(home: Path, parts: Iterator[pa.Table], names: list[str]) -> tuple[pd.DataFrame, Stored]:
    """Keys and features, the latter in a file under `home` that goes when nobody reads it any more."""
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="history-", dir=home))
    try:
        store(parts, folder / "history.parquet")
        keys = pq.read_table(folder / "history.parquet", columns=list(KEYS)).to_pandas()
        found = open_stored([folder / "history.parquet"], names)
    except BaseException:
        rmtree(folder)
        raise
    finalize(found.starts, rmtree, folder)  # which every view of it has
    return keys, found


def labelled_spine(settings: Settings, engine: Engine, staged: Staged) -> Labels:
    """Every snapshot of history with its outcome, and the table `spine` to match."""
    first, last = snapshots.span(engine, staged)
    if settings.snapshots.before_renewal_days is not None:
        rows = snapshots.renewal_spine(settings, engine, staged, first, last)
    else:
        until = observed_until(settings, engine, staged)
        anchor = until - timedelta(days=settings.gap_days)
        grid = snapshots.grid(settings, first + timedelta(days=FIRST_HISTORY_DAYS), max(last, until), anchor)
        rows = snapshots.spine(settings, engine, staged, grid)
    if rows == 0:
        raise EvidenceError("no account was alive at any snapshot; check [population] and the contract table's dates")
    return label(settings, engine, staged)
