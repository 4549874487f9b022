"""Looked-up SHAP values against LightGBM's own, and against the definition."""

from itertools import combinations
from math import factorial, prod

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import tables
from serving.booster import Booster
from serving.errors import ServingError
from serving.explain import SHARED_FROM, contributions
from serving.groups import Group, values_of
from serving.trees import ZERO, Condition, Leaf, edges_of, read_trees

CODES = 7
"""The column of codes."""
ODD = [np.nan, np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-34, -0.5, -1.0, 2.5, 69.5, 1e12, -1e12, np.inf, -np.inf]


@pytest.fixture(scope="module")
def learned(rows):
    """Train on `rows`, its last column spread over 70 codes."""

    def train(trees=12, **settings):
        rng = np.random.default_rng(2)
        table = rows.copy()
        table[:, CODES] = rng.integers(0, 70, len(rows))
        risk = np.nan_to_num(table[:, :CODES]).sum(axis=1) / 20 + (table[:, CODES] % 3) + rng.normal(size=len(rows))
        data = lgb.Dataset(table, risk > np.median(risk), categorical_feature=[CODES], free_raw_data=False)
        base = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "cat_smooth": 1}
        base |= settings
        valid = [data.create_valid(table[::3], (risk > np.median(risk))[::3])] if "early_stopping_round" in base else []
        return Booster(lgb.train(base, data, trees, valid_sets=valid).model_to_string())

    return train


def around(booster, n, seed=3):
    """Rows of what decides: every edge, a hair below and above each, and what is odd.

    But for the edge at -1e-35, which LightGBM writes into its text exactly and reads from it a bit off.
    """
    rng = np.random.default_rng(seed)
    edges = edges_of(read_trees(booster.text))
    columns = []
    for feature in range(booster.features):
        at = edges.get(feature, np.array([0.0]))
        at = at[at != -ZERO]
        columns.append(rng.choice([*at, *np.nextafter(at, -np.inf), *np.nextafter(at, np.inf), *ODD, *ODD], n))
    return np.column_stack(columns)


SETTINGS = [
    pytest.param({"num_leaves": 4, "trees": 40}, id="small trees"),
    pytest.param({"num_leaves": 15}, id="our loosest shape"),
    pytest.param({"num_leaves": 63, "trees": 6}, id="large trees"),
    pytest.param({"num_leaves": 15, "feature_fraction": 0.1}, id="trees of one feature"),
    pytest.param({"num_leaves": 15, "use_missing": False}, id="unknown read as zero"),
    pytest.param({"num_leaves": 15, "zero_as_missing": True}, id="zero read as unknown"),
    pytest.param({"num_leaves": 15, "max_cat_to_onehot": 100}, id="one code against all"),
    pytest.param({"num_leaves": 7, "early_stopping_round": 1, "trees": 200, "learning_rate": 0.9}, id="stopped early"),
    pytest.param({"num_leaves": 7, "boosting": "dart"}, id="trees weighed again"),
    pytest.param({"num_leaves": 7, "min_gain_to_split": 8, "trees": 30}, id="some trees of one leaf"),
    pytest.param({"min_data_in_leaf": 2000}, id="all trees of one leaf"),
    pytest.param({"num_leaves": 7, "boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, id="a mean of trees"),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_value_is_lightgbms_up_to_rounding(learned, settings):
    booster = learned(**settings)
    rows = around(booster, 800)
    assert (tables.build(booster) is None) == (not edges_of(read_trees(booster.text)))  # else LightGBM answers itself
    found, wanted = contributions(booster, rows), booster.contributions(rows)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), booster.log_odds(rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_models_values_are_lightgbms_up_to_rounding(seed):
    rng = np.random.default_rng(seed)
    table = np.floor(rng.lognormal(1, 1, (400, 6))) * rng.choice([1, 0.37], 6) - rng.integers(0, 3, 6)
    table[:, 0] = rng.integers(0, 40, 400)
    table[rng.random(table.shape) < rng.uniform(0, 0.3)] = np.nan
    risk = np.nan_to_num(table) @ rng.normal(size=6) + (table[:, 0] % 4)
    settings = {
        **{"num_leaves": int(rng.integers(2, 32)), "min_data_in_leaf": int(rng.integers(1, 20))},
        **{"use_missing": bool(rng.random() < 0.8), "zero_as_missing": bool(rng.random() < 0.3)},
        **{"max_cat_to_onehot": int(rng.choice([1, 100])), "feature_fraction": rng.uniform(0.3, 1), "cat_smooth": 1},
        **{"objective": "binary", "verbose": -1, "num_threads": 1, "seed": seed},
    }
    data = lgb.Dataset(table, risk > np.nanmedian(risk), categorical_feature=[0])
    booster = Booster(lgb.train(settings, data, int(rng.integers(1, 40))).model_to_string())
    assert tables.build(booster) is not None
    rows = np.vstack([table, around(booster, 400, seed)])
    np.testing.assert_allclose(contributions(booster, rows), booster.contributions(rows), rtol=0, atol=1e-12)


conditions = st.tuples(st.booleans(), st.floats(0.01, 1))
leaves = st.tuples(st.floats(-3, 3), st.dictionaries(st.integers(0, 5), conditions, min_size=1))


@given(told=st.lists(leaves, min_size=1, max_size=3))
def test_a_cells_values_are_shapleys_by_definition(told):
    """Every coalition is played: whoever plays brings what the row has, the others the share of training."""
    group = Group(
        [Leaf(value, {f: Condition(int(met), share) for f, (met, share) in path.items()}) for value, path in told],
        {feature: [1] for feature in sorted({feature for _, path in told for feature in path})},
    )

    def worth(playing):
        return sum(v * prod(met if f in playing else share for f, (met, share) in path.items()) for v, path in told)

    wanted = []
    for player in group.sides:
        others = [other for other in group.sides if other != player]
        coalitions = [{*c} for n in range(len(others) + 1) for c in combinations(others, n)]
        wanted.append(
            sum(
                (worth(c | {player}) - worth(c)) * factorial(len(c)) * factorial(len(others) - len(c))
                for c in coalitions
            )
            / factorial(len(group.sides))
        )
    np.testing.assert_allclose(values_of(group)[:, 0], wanted, rtol=0, atol=1e-12)


def test_a_row_has_the_same_bits_alone_in_a_part_and_in_a_book(bundle, rows):
    book = contributions(bundle.booster, np.resize(rows, (2 * SHARED_FROM + 17, rows.shape[1])))
    part = contributions(bundle.booster, rows[:77])
    alone = np.vstack([contributions(bundle.booster, rows[i : i + 1]) for i in range(77)])
    assert book[:77].tobytes() == part.tobytes() == alone.tobytes()
    np.testing.assert_array_equal(book, np.resize(book[: len(rows)], book.shape))


def test_lightgbm_answers_where_the_tables_do_not_fit(learned, monkeypatch):
    booster = learned(num_leaves=7)
    rows = around(booster, 50)
    monkeypatch.setattr(tables, "MOST_VALUES", 100)
    assert contributions(booster, rows).tobytes() == booster.contributions(rows).tobytes()


def test_lightgbm_answers_where_the_tables_say_something_else(learned, monkeypatch):
    booster = learned(num_leaves=7)
    rows = around(booster, 50)
    monkeypatch.setattr(tables, "values_of", lambda group: 1.001 * values_of(group))
    assert contributions(booster, rows).tobytes() == booster.contributions(rows).tobytes()


def test_lightgbm_answers_where_no_row_of_training_came_to_a_leaf(learned):
    text = learned(num_leaves=7).text
    count = text.index("leaf_count=") + len("leaf_count=")
    digits = text.index(" ", count) - count
    booster = Booster(text[:count] + "0" * digits + text[count + digits :])
    rows = around(booster, 50)
    assert contributions(booster, rows).tobytes() == booster.contributions(rows).tobytes()


def test_a_model_that_lightgbm_cannot_explain_is_refused_in_its_words(rows):
    data = lgb.Dataset(np.nan_to_num(rows), rows[:, 0] > 14)
    model = lgb.train({"objective": "binary", "linear_tree": True, "verbose": -1, "num_threads": 1}, data, 3)
    with pytest.raises(ServingError, match="linear trees"):
        contributions(Booster(model.model_to_string()), np.nan_to_num(rows))


def test_no_row_and_the_number_of_rows_asked_for(bundle, rows):
    assert contributions(bundle.booster, rows[:0]).shape == (0, 9)
    assert contributions(bundle.booster, np.resize(rows, (SHARED_FROM, 8))).shape == (SHARED_FROM, 9)


@pytest.mark.parametrize("shape", [(3, 7), (3, 9), (8,), (0, 7)])
def test_rows_of_another_width_are_refused(bundle, shape):
    with pytest.raises(ServingError, match="reads rows of 8 features"):
        contributions(bundle.booster, np.zeros(shape))
