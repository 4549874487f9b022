"""The training table: what was known at each snapshot, beside what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features import snapshots, table
from features.catalogue import Catalogue, declare, discover
from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from training.errors import EvidenceError
from training.labels import CENSORED, CHURNED, STAYED, Labels, label, observed_until
from training.split import Split, split

Progress = Callable[[int, int], None]
"""Called with (snapshot rows done, snapshot rows in all)."""

FIRST_HISTORY_DAYS = 28
"""An account's book is first looked at when the data is this old: before, every window is empty."""


@dataclass(frozen=True)
class History:
    """Snapshots with features and outcomes; every array has one entry per snapshot row.

    Rows are stayed, churned, involuntary or censored (`labels`); `judged` marks those a model may learn from or
    be tested on. `value` is the account's yearly money at the snapshot, NaN where no source tells it.
    """

    features: pd.DataFrame
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
    def matrix(self) -> NDArray[np.float64]:
        """The features as (rows, features), in catalogue order."""
        return self.features.to_numpy(dtype=np.float64)


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
    frames = []
    for done, part in table.build_parts(engine, staged, catalogue):
        frames.append(part.to_pandas())
        progress(done, len(closed.table))
    features = pd.concat(frames, ignore_index=True)
    _require_same_rows(features, closed.table)
    accounts, moments = features["account_id"].to_numpy(dtype=str), features["snapshot_at"].to_numpy()
    return History(features[catalogue.names], accounts, moments, closed, catalogue), parts


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


def _require_same_rows(features: pd.DataFrame, labels: pd.DataFrame) -> None:
    keys = ["account_id", "snapshot_at"]
    if not features[keys].equals(labels[keys]):
        raise EvidenceError("features and labels do not line up row by row; this is a bug, please report it")
