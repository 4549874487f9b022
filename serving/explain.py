"""SHAP values of rows: those of `Booster.contributions` up to rounding, at a tenth of the time.

They come from tables (`serving.tables`) that are worked out when a model is first asked. A row has the same values to
the bit in every batch, alone or in a book, wherever the batch is cut.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from serving import tables
from serving.booster import Array, Booster

SHARED_FROM = 2_048
"""From this many rows on all cores are used."""


def contributions(booster: Booster, rows: Array) -> Array:
    """SHAP values of each row in log-odds, (n, features + 1), base last; with it they sum to the model's log-odds.

    Within 1e-12 of `Booster.contributions`, which answers itself where a model's tables do not fit.
    """
    rows = booster.read(rows)
    found = _tables(booster)
    if found is None:
        return booster.contributions(rows)
    if len(rows) < SHARED_FROM:
        return found.look_up(rows)
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        return np.concatenate([*pool.map(found.look_up, np.array_split(rows, cores))])


@lru_cache(maxsize=4)
def _tables(booster: Booster) -> tables.Tables | None:
    """Worked out once: when a bundle is loaded, by its probe."""
    return tables.build(booster)
