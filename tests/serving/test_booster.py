from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster import Booster
from serving.errors import ServingError

ODD = [np.nan, 0.0, -0.0, 1e-36, -1e-36, -1.0, -0.5, 1.5, 3.0, 99.0, 1e12, -1e12, np.inf, -np.inf]


@pytest.fixture(scope="module")
def odd_rows(rows):
    """Every odd value in every column, the others as they were."""
    odd = np.tile(rows[: len(ODD)], (rows.shape[1], 1))
    for column in range(rows.shape[1]):
        odd[column * len(ODD) : (column + 1) * len(ODD), column] = ODD
    return np.vstack([rows, odd])


def test_numbers_are_lightgbms_to_the_bit(bundle, odd_rows):
    model = lgb.Booster(model_str=bundle.booster.text)
    contributions, log_odds = bundle.booster.contributions(odd_rows), bundle.booster.log_odds(odd_rows)
    assert contributions.tobytes() == np.asarray(model.predict(odd_rows, pred_contrib=True)).tobytes()
    assert log_odds.tobytes() == np.asarray(model.predict(odd_rows, raw_score=True)).tobytes()
    assert (bundle.booster.trees, bundle.booster.features) == (model.num_trees(), model.num_feature())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(np.asfortranarray, id="by column"),
        pytest.param(lambda rows: np.repeat(rows, 2, axis=0)[::2], id="every other row"),
        pytest.param(lambda rows: np.hstack([rows, rows])[:, : rows.shape[1]], id="part of a wider table"),
        pytest.param(lambda rows: rows.tolist(), id="lists"),
    ],
)
def test_a_row_is_read_as_it_is_however_it_lies_in_memory(bundle, rows, change):
    wanted = bundle.booster.contributions(rows[:40])
    np.testing.assert_array_equal(bundle.booster.contributions(change(rows[:40])), wanted)


def test_no_rows_give_no_values(bundle):
    assert bundle.booster.contributions(np.empty((0, 8))).shape == (0, 9)


@pytest.mark.parametrize("shape", [(3, 7), (3, 9), (8,), (0, 7), (1, 3, 8)])
def test_rows_of_another_width_are_refused(bundle, shape):
    for work in (bundle.booster.contributions, bundle.booster.log_odds):
        with pytest.raises(ServingError, match="reads rows of 8 features"):
            work(np.zeros(shape))


def test_a_text_cut_anywhere_in_its_trees_is_refused(bundle):
    text = bundle.booster.text
    for end in np.linspace(0, text.index("end of trees"), 200).astype(int):
        with pytest.raises(ServingError, match="cut or no model"):
            Booster(text[:end])


@pytest.mark.parametrize(
    "text", ["", "tree", "{}", "tree\ntree_sizes=\n", "tree\ntree_sizes=5\n\nTree=0\nend of trees"]
)
def test_what_is_no_model_is_refused(text):
    with pytest.raises(ServingError, match="cut or no model"):
        Booster(text)


def test_what_lightgbm_cannot_read_is_told_in_its_words(bundle):
    with pytest.raises(ServingError, match=r"LightGBM: .*number of classes"):
        Booster(bundle.booster.text.replace("num_class=1\n", ""))


def test_a_model_of_several_classes_is_refused(rows):
    data = lgb.Dataset(rows, np.arange(len(rows)) % 3)
    model = lgb.train({"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}, data, 2)
    with pytest.raises(ServingError, match="several classes"):
        Booster(model.model_to_string())


def test_threads_do_not_disturb_each_other(bundle, rows):
    fresh, wanted = Booster(bundle.booster.text), bundle.booster.contributions(rows)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda i: fresh.contributions(rows[i : i + 3]), range(600))
    for i, part in enumerate(found):
        assert part.tobytes() == wanted[i : i + 3].tobytes()
