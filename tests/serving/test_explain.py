"""Rows explained by cells against LightGBM explaining them one by one."""

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster import Booster
from serving.explain import BLOCK, ENOUGH_ROWS, contributions
from serving.splits import splits_by_tree

CODES = 7
"""The column of codes."""


@pytest.fixture(scope="module")
def learned(rows):
    """Train on `rows`, its last column spread over 70 codes."""

    def train(**settings):
        rng = np.random.default_rng(2)
        table = rows.copy()
        table[:, CODES] = rng.integers(0, 70, len(rows))
        risk = np.nan_to_num(table[:, :CODES]).sum(axis=1) / 20 + (table[:, CODES] % 3) + rng.normal(size=len(rows))
        data = lgb.Dataset(table, risk > np.median(risk), categorical_feature=[CODES])
        base = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "cat_smooth": 1}
        return Booster(lgb.train({**base, **settings}, data, 12).model_to_string())

    return train


def around(booster, n):
    """Rows of what decides: every threshold and code, a hair below and above each, and what is odd."""
    rng = np.random.default_rng(3)
    columns = []
    for feature in range(booster.features):
        splits = [split for tree in splits_by_tree(booster.text) for split in tree if split.feature == feature]
        at = np.array(sorted(set().union(*(s.edges | set(s.categories or ()) for s in splits))), dtype=float)
        odd = [np.nan, np.nan, 0.0, 1e-36, -1e-36, 1e-34, -0.5, -1.0, 1e12, -1e12, np.inf, -np.inf]
        columns.append(rng.choice([*at, *np.nextafter(at, -np.inf), *np.nextafter(at, np.inf), *odd], n))
    return np.column_stack(columns)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"num_leaves": 7}, id="small trees"),
        pytest.param({"num_leaves": 63}, id="more possible cells than a table holds"),
        pytest.param({"num_leaves": 15, "use_missing": False}, id="unknown read as zero"),
        pytest.param({"num_leaves": 15, "zero_as_missing": True}, id="zero read as unknown"),
        pytest.param({"num_leaves": 15, "max_cat_to_onehot": 100}, id="one code against all"),
        pytest.param({"min_data_in_leaf": 2000}, id="no splits"),
    ],
)
def test_every_value_is_lightgbms_up_to_rounding(learned, settings):
    booster = learned(**settings)
    rows = around(booster, ENOUGH_ROWS)
    found, wanted = contributions(booster, rows), booster.contributions(rows)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), booster.log_odds(rows), rtol=0, atol=1e-12)


def test_few_rows_are_lightgbms_to_the_bit(bundle, rows):
    assert contributions(bundle.booster, rows).tobytes() == bundle.booster.contributions(rows).tobytes()


def test_a_row_has_the_same_values_in_every_block(bundle, rows):
    many = np.resize(rows, (BLOCK + len(rows), rows.shape[1]))
    found = contributions(bundle.booster, many)
    np.testing.assert_array_equal(found, np.resize(found[: len(rows)], found.shape))
    np.testing.assert_allclose(found[: len(rows)], bundle.booster.contributions(rows), rtol=0, atol=1e-12)


def test_no_row_and_the_number_of_rows_asked_for(bundle, rows):
    assert contributions(bundle.booster, rows[:0]).shape == (0, 9)
    assert contributions(bundle.booster, np.resize(rows, (ENOUGH_ROWS, 8))).shape == (ENOUGH_ROWS, 9)
