"""Explanations on Spark's executors are those of this machine, to the bit."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from features.errors import SourceError
from features.sources import stage
from serving.daily import score_day
from serving.explain import contributions
from serving.spread import MOVED, explaining

DAY = datetime(2025, 9, 1)


@pytest.fixture(scope="module")
def table(bundle, rows):
    """The fixture's rows as a feature table without the feature that comes second."""
    names = [spec.name for spec in bundle.features]
    values = {name: pa.array(rows[:, j], from_pandas=True) for j, name in enumerate(names) if j != 1}
    return pa.table({"account_id": [f"a{i:04d}" for i in range(len(rows))], **values})


@pytest.fixture(scope="module")
def wanted(bundle, rows):
    blind = rows.copy()
    blind[:, 1] = np.nan
    return contributions(bundle.booster, blind)


def moved(found):
    return np.array(found.sort_by("account_id")[MOVED].to_pylist())


@pytest.fixture(scope="module")
def task(bundle):
    return explaining(bundle.booster.text, tuple(spec.name for spec in bundle.features))


@pytest.mark.parametrize("size", [1, 7, 500, 5000])
def test_a_row_is_explained_alike_in_every_batch(table, task, wanted, size):
    found = pa.Table.from_batches(task(iter(table.to_batches(max_chunksize=size))))
    assert found.column_names == [*table.column_names, MOVED]
    assert np.array_equal(moved(found), wanted)


@pytest.fixture
def engine(spark, table):
    from features.spark.engine import SparkEngine

    made = SparkEngine(spark.newSession())
    made.frame("rows", lambda session: session.createDataFrame(table).repartition(5))
    return made


def test_executors_explain_as_this_machine_does(engine, task, wanted):
    assert np.array_equal(moved(engine.through('SELECT * FROM "rows"', task, f"{MOVED} array<double>")), wanted)


def test_a_task_that_fails_fails_the_run_with_its_words(engine):
    def fails(batches):
        for batch in batches:
            raise ValueError(f"no room for {batch.num_rows} rows")
        yield

    with pytest.raises(SourceError, match="Spark: "):
        engine.through('SELECT * FROM "rows"', fails, f"{MOVED} array<double>")


@pytest.mark.slow
def test_a_book_scored_over_spark_is_the_book_scored_here(spark, company, bundle):
    from features.spark.engine import SparkEngine

    days = [DAY - timedelta(days=k) for k in range(1, 120)]
    ids = [f"a{i}" for i in range(12)]
    company.stage(
        accounts=[{"account_id": a, "started_at": DAY - timedelta(days=200), "segment": "one"} for a in ids],
        usage=[
            {"account_id": a, "user_id": f"u{k % 3}", "at": day + timedelta(hours=i), "event": "login"}
            for i, a in enumerate(ids)
            for k, day in enumerate(days[i:])
            if k % (i + 1) == 0
        ],
    )
    books = []
    for kind, engine in (("duckdb", company.engine), ("spark", SparkEngine(spark.newSession()))):
        settings = company.settings.model_copy(update={"engine": kind})
        staged = stage(settings, engine, now=datetime(2026, 1, 1))
        day = score_day(settings, engine, staged, bundle, DAY, version="1")
        books.append([table.drop_columns(["scored_at"]) if "scored_at" in table.column_names else table
                      for table in (day.book, day.features, day.baseline)])  # fmt: skip
    assert len(books[0][0]) > 8
    for here, there in zip(*books, strict=True):
        assert here.equals(there)
