from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from serving.book import matrix, score_book
from serving.score import score

DAY = datetime(2026, 1, 1)
N = 60


def features_of(bundle, rows):
    columns = {spec.name: pa.array(rows[:, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
    keys = {"account_id": [f"a{i}" for i in range(len(rows))], "snapshot_at": pa.array([DAY] * len(rows))}
    return pa.table(keys | columns)


def profile(n):
    return pa.table(
        {"segment": ["smb", None] * (n // 2), "owner": ["ann"] * n, "inactive": pa.array([None] * n, pa.bool_())}
    )


def book_of(bundle, rows):
    return score_book(
        bundle,
        features_of(bundle, rows),
        baseline=np.full(rows.shape, np.nan),
        profile=profile(len(rows)),
        data_as_of={"usage": DAY},
        model_version="3",
        scored_at=DAY,
    )


@pytest.fixture(scope="module")
def book(bundle, rows):
    return book_of(bundle, rows[:N]).to_pylist()


def test_drivers_and_intercept_sum_to_the_log_odds_of_the_probability(book):
    for row in book:
        assert row["intercept"] + sum(d["log_odds"] for d in row["drivers"]) == pytest.approx(row["log_odds"], abs=1e-9)
        p = row["churn_probability"]
        assert np.log(p / (1 - p)) == pytest.approx(row["log_odds"], abs=1e-9)


def test_component_log_odds_and_intercept_sum_to_the_log_odds(book, bundle):
    for row in book:
        terms = [row[f"{c}_log_odds"] for c in bundle.components]
        assert row["intercept"] + sum(terms) == pytest.approx(row["log_odds"], abs=1e-9)
        for component, term in zip(bundle.components, terms, strict=True):
            mine = [d["log_odds"] for d in row["drivers"] if d["component"] == component]
            assert sum(mine) == pytest.approx(term, abs=1e-9)


@pytest.mark.system("H2", "H3", "H4")
def test_points_are_score_times_weight_and_sum_to_health(book, bundle):
    for row in book:
        for c in bundle.health_components:
            assert row[f"{c}_points"] == pytest.approx(row[f"{c}_score"] * row[f"{c}_weight"], abs=1e-9)
        points = sum(row[f"{c}_points"] for c in bundle.health_components)
        assert points == pytest.approx(row["health_score"], abs=1e-9)


def test_value_at_risk_is_probability_times_yearly_value_and_unknown_without_it(book, rows):
    for row, mrr in zip(book, rows[:N, 6], strict=True):
        if np.isnan(mrr):
            assert row["yearly_value"] is None
            assert row["value_at_risk"] is None
        else:
            assert row["yearly_value"] == pytest.approx(12 * mrr)
            assert row["value_at_risk"] == pytest.approx(row["churn_probability"] * 12 * mrr)


@pytest.mark.system("H10")
def test_the_tier_follows_from_the_health_score(book):
    for row in book:
        assert row["tier"] == (
            "green" if row["health_score"] >= 70 else "yellow" if row["health_score"] >= 50 else "red"
        )


def test_reasons_in_words_are_the_raising_reasons_in_order(book):
    for row in book:
        raising = [reason["text"] for reason in row["reasons"] if reason["contribution"] > 0]
        assert [row[f"reason_{i}"] for i in (1, 2, 3)] == [*raising, None, None, None][:3]


@pytest.mark.system("H7")
def test_coverage_is_the_share_of_known_features(book, bundle, rows):
    for component in bundle.components:
        wanted = (~np.isnan(rows[:N][:, bundle.columns(component)])).mean(axis=1)
        np.testing.assert_allclose([row[f"{component}_coverage"] for row in book], wanted)


def test_the_book_keeps_the_accounts_in_their_order(book):
    assert [row["account_id"] for row in book] == [f"a{i}" for i in range(N)]


def test_columns_in_another_order_and_strangers_among_them_change_nothing(bundle, rows):
    features = features_of(bundle, rows)
    shuffled = features.select(features.column_names[::-1]).append_column("stranger", pa.array(["x"] * len(rows)))
    np.testing.assert_array_equal(matrix(bundle, shuffled), matrix(bundle, features))


def test_a_column_that_is_not_there_is_unknown(bundle, rows):
    without = matrix(bundle, features_of(bundle, rows).drop_columns(["nps_last"]))
    wanted = rows.copy()
    wanted[:, 3] = np.nan
    np.testing.assert_array_equal(without, wanted)
    assert np.isfinite(score(bundle, without).probability).all()


def test_a_cold_start_book_has_health_null_probability_and_says_so(cold, rows):
    for row in book_of(cold, rows[:10]).to_pylist():
        assert row["status"] == "cold_start"
        assert row["churn_probability"] is row["log_odds"] is row["intercept"] is row["value_at_risk"] is None
        assert row["drivers"] == row["reasons"] == []
        assert row["health_score"] is not None
