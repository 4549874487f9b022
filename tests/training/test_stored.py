"""A table too large for memory is read from disk, and gives the very model that it gives in memory."""

from dataclasses import replace
from itertools import pairwise

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.config import load
from features.declare import Direction, Feature
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write
from training import history as histories
from training import split as splits
from training.evidence import judge
from training.history import load_history
from training.learn import learn
from training.model import SHAPES, dataset, parameters
from training.run import plain
from training.split import by_lot
from training.stored import Stored, open_stored, store

NAMES = ["use", "mood", "rare", "plan"]


@pytest.fixture(scope="module")
def matrix():
    """3,000 rows of four features: two unknown at times, one that is 0 in all but 50, and one with levels."""
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=3_000), rng.poisson(1, 3_000)]
    seen = [np.where(rng.random(3_000) < 0.1, np.nan, column) for column in seen]
    return np.column_stack([*seen, np.arange(3_000) % 60 == 0, rng.integers(0, 4, 3_000)])


@pytest.fixture(scope="module")
def stored(matrix, tmp_path_factory):
    """The same, in two files of uneven row groups."""
    folder = tmp_path_factory.mktemp("stored")
    for name, edges in (("one", (0, 700, 1_000)), ("two", (1_000, 1_001, 2_900, 3_000))):
        parts = (matrix[a:b] for a, b in pairwise(edges))
        store((pa.table(dict(zip(NAMES, part.T, strict=True))) for part in parts), folder / f"{name}.parquet")
    return open_stored([folder / "one.parquet", folder / "two.parquet"], NAMES)


def same(found, wanted):
    np.testing.assert_array_equal(np.asarray(found), wanted, strict=True)


@given(st.lists(st.integers(0, 2_999), max_size=40), st.slices(40), st.permutations(range(4)))
def test_it_reads_what_an_array_would(matrix, stored, rows, some, columns):
    rows = np.array(rows, dtype=int)
    same(stored[rows], matrix[rows])
    same(stored[rows][:, columns[:2]], matrix[rows][:, columns[:2]])
    same(stored[rows][some], matrix[rows][some])
    for i in range(len(rows)):
        same(stored[rows][i], matrix[rows][i])


def test_masks_of_masks_choose_as_an_array_would(matrix, stored):
    first, second = matrix[:, 1] > 0, np.arange((matrix[:, 1] > 0).sum()) % 3 == 0
    same(stored[first][second], matrix[first][second])
    assert stored[first][second].shape == matrix[first][second].shape


def test_one_row_group_is_in_memory_at_a_time(stored):
    view = stored[np.arange(2_999, -1, -1)]
    held = []
    for row in (0, 5, 200, 2_999):
        same(view[row], view[[row]].__array__()[0])
        held.append(len(view._held[2]))
    assert held == [100, 100, 1_899, 700]


@pytest.mark.parametrize("least", [20, 50, 200])
def test_the_model_is_the_same_text_from_disk_as_from_memory(matrix, stored, least):
    """Also of more rows than bins are made from, and where a column says too little for a leaf of that size."""
    rows, churned = np.arange(3_000) % 7 > 0, np.random.default_rng(1).random(3_000) < 0.2
    features = tuple(
        Feature(n, n, n, "x", "", Direction.UNKNOWN, component="usage", scan="", categories=levels)
        for n, levels in zip(NAMES, ((), (), (), ("a", "b", "c", "d")), strict=True)
    )
    told = parameters(features, {**SHAPES[0], "min_data_in_leaf": least, "bin_construct_sample_cnt": 500})
    texts = [lgb.train(told, dataset(m[rows], churned[rows], features), 30).model_to_string() for m in (matrix, stored)]
    assert texts[0] == texts[1]


@pytest.fixture
def both(book_of_history, tmp_path):
    """A history in memory, the same one on disk, and their split."""
    history, split = book_of_history(accounts=100)
    names = history.catalogue.names
    store([pa.Table.from_pandas(history.features[i : i + 500]) for i in range(0, 1_200, 500)], tmp_path / "h.parquet")
    return history, replace(history, features=open_stored([tmp_path / "h.parquet"], names)), split


def trees(text):
    return text.split("parameters:")[0]


@pytest.mark.usefixtures("quick_training")
def test_what_is_learned_and_judged_is_the_same_from_disk(settings, both):
    memory, disk, split = both
    learned = [learn(settings, h, split.development, split.folds, lambda *_: None) for h in (memory, disk)]
    one, two = (
        judge(settings, h, found, split.development, split.test) for h, found in zip(both, learned, strict=False)
    )
    np.testing.assert_array_equal(learned[0].forward.contributions, learned[1].forward.contributions)
    assert trees(learned[0].bundle.booster.text) == trees(learned[1].bundle.booster.text)
    assert learned[0].weight_intervals == learned[1].weight_intervals
    assert plain(one.benchmarks) == plain(two.benchmarks)
    assert (one.test, one.health["auc_unrestricted"], one.notes) == (
        two.test,
        two.health["auc_unrestricted"],
        two.notes,
    )


def test_a_large_history_is_read_from_disk_and_holds_the_same(tmp_path, monkeypatch):
    given = load(write(simulate(accounts=60, months=12, seed=2, messy=False), tmp_path))
    with open_engine(given.home_dir) as engine:
        staged = stage(given, engine)
        memory, split = load_history(given, engine, staged, lambda *_: None)
        monkeypatch.setattr(histories, "IN_MEMORY", memory.matrix.size - 1)
        disk, again = load_history(given, engine, staged, lambda *_: None)
        assert isinstance(disk.matrix, Stored)
        same(disk.matrix, memory.matrix)
        same(disk.column("days_since_last_use"), memory.features["days_since_last_use"].to_numpy())
        same(again.test, split.test)
    assert [path.name for path in given.home_dir.glob("history-*/*")] == ["history.parquet"]
    del disk
    assert not list(given.home_dir.glob("history-*"))


@pytest.mark.usefixtures("quick_training")
class TestManyRows:
    """Above a number of rows, accounts are drawn by lot, and it is said."""

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch):
        monkeypatch.setattr(splits, "JUDGED_ROWS", 150)

    def test_whole_accounts_are_drawn_the_same_ones_everywhere(self):
        accounts = np.array([f"a{i % 200}" for i in range(2_400)])
        rows = np.arange(2_400) % 3 > 0
        drawn = by_lot(rows, accounts)
        assert 100 <= drawn.sum() <= 200
        assert drawn[rows & np.isin(accounts, accounts[drawn])].all()
        assert not drawn[~rows].any()

    def test_as_many_as_are_judged_are_all_judged(self):
        rows = np.arange(2_400) < 150
        assert by_lot(rows, np.array([f"a{i}" for i in range(2_400)])) is rows

    def test_the_notes_tell_of_it(self, settings, book_of_history):
        history, split = book_of_history(accounts=100)
        test = by_lot(split.test, history.accounts)
        learned = learn(settings, history, split.development, split.folds, lambda *_: None)
        notes = judge(settings, history, learned, split.development, test).notes
        later = sum(fold.predict.sum() for fold in split.folds)
        assert [n for n in notes if "drawn by lot" in n] == [
            f"{test.sum():,} of 300 test rows are judged: those of accounts drawn by lot.",
            f"{len(learned.forward.rows):,} of {later:,} rows of the later slices chose shape, rounds, calibration and "
            "weights: those of accounts drawn by lot.",
            f"{by_lot(split.development, history.accounts).sum():,} of 800 rows are what the benchmarks but plain "
            "LightGBM learned from: those of accounts drawn by lot.",
        ]
