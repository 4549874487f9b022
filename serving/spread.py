"""Explanations on Spark's executors: the same function that explains here, on the rows where they are.

The features of a book are computed on the cluster, and explaining them is most of what is left to do. Each executor
explains the rows that it holds; what comes back is each account's features with their SHAP values, which are those of
this machine to the bit, since a row's values are the same in every batch (`serving.explain`). Executors need Keepwell,
as they need Python; the model comes to them as text.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa

from features import table
from features.catalogue import Catalogue
from features.engine import Engine
from features.sources import Staged
from features.spark.engine import SparkEngine
from serving.booster import Array, Booster
from serving.bundle import Bundle
from serving.explain import contributions

MOVED = "contributions"
"""The column of SHAP values, base last, in the order of the bundle's features."""

AT_ONCE = 2000
"""Rows that a task explains at once: few enough that it does so on the one core that it was given."""

Batches = Iterator[pa.RecordBatch]


def explained(
    engine: Engine, staged: Staged, catalogue: Catalogue, bundle: Bundle, spine: str
) -> tuple[pa.Table, Array]:
    """The feature table of a spine (see `features.table.build`), and the SHAP values of its rows; on Spark alone.

    Raises:
        SourceError: a task failed; nothing was written.
    """
    assert isinstance(engine, SparkEngine)
    assert bundle.booster is not None
    task = explaining(bundle.booster.text, tuple(spec.name for spec in bundle.features))
    parts = [
        engine.through(part.sql, task, f"{MOVED} array<double>")
        for part in table.compute(engine, staged, catalogue, spine)
    ]
    found = pa.concat_tables(parts).sort_by([("snapshot_at", "ascending"), ("account_id", "ascending")])
    listed = found[MOVED].combine_chunks()
    moved: Array = listed.flatten().to_numpy().reshape(len(found), -1)
    return found.drop_columns(MOVED).cast(table.schema(catalogue)), moved


def explaining(text: str, names: tuple[str, ...]) -> Callable[[Batches], Batches]:
    """A task of `mapInArrow`: feature tables in, the same with their SHAP values out."""

    def task(batches: Batches) -> Batches:
        booster = _booster(text)
        for batch in batches:
            for start in range(0, batch.num_rows, AT_ONCE):
                some = batch.slice(start, AT_ONCE)
                yield with_contributions(booster, some, names)

    return task


def with_contributions(booster: Booster, batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """A batch with the SHAP values of its rows; a feature that it does not have is unknown."""
    rows = np.full((batch.num_rows, len(names)), np.nan)
    have = set(batch.schema.names)
    for j, name in enumerate(names):
        if name in have:
            rows[:, j] = batch.column(name).to_numpy(zero_copy_only=False)
    moved = contributions(booster, rows)
    ends = np.arange(len(rows) + 1, dtype=np.int32) * moved.shape[1]
    listed = pa.ListArray.from_arrays(ends, pa.array(moved.ravel()))
    return pa.RecordBatch.from_arrays([*batch.columns, listed], names=[*batch.schema.names, MOVED])


@lru_cache(maxsize=1)
def _booster(text: str) -> Booster:
    """Read once a worker, not once a batch."""
    return Booster(text)
