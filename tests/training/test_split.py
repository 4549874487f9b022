"""Periods by time, with a gap as long as a label window between any two."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from features.config import Churn, Evidence, Mapping, Settings
from training.errors import EvidenceError
from training.split import split

START, DAY = datetime(2024, 1, 1), timedelta(days=1)


def company(horizon: int = 28, lead: int = 0, **evidence: Any) -> Settings:
    return Settings(
        root=Path(),
        sources={"subscriptions": Mapping(path="x.csv")},
        churn=Churn(horizon_days=horizon, lead_days=lead),
        evidence=Evidence(**evidence),
    )


def moments(*days: int) -> Any:
    return np.array([START + day * DAY for day in days], dtype="datetime64[us]")


def days(of: Any, rows: Any) -> list[int]:
    return [int(d) for d in (of[rows] - np.datetime64(START)) / np.timedelta64(1, "D")]


MONTHLY = moments(*range(0, 364, 28))
ALL = np.ones(13, dtype=bool)


def test_the_latest_quarter_tests_and_a_window_before_it_is_left_out() -> None:
    found = split(company(horizon=28), MONTHLY, ALL)
    assert days(MONTHLY, found.test) == [252, 280, 308, 336]
    assert days(MONTHLY, found.development)[-1] == 224
    assert found.last_training == found.first_test - 28 * DAY


def test_lead_widens_the_gap() -> None:
    found = split(company(horizon=28, lead=1), MONTHLY, ALL)
    assert days(MONTHLY, found.development)[-1] == 196


def test_a_contracts_grace_days_widen_the_gap_and_nobody_elses() -> None:
    contract, silence = (
        Settings(
            root=Path(),
            sources={name: Mapping(path="x.csv") for name in ("subscriptions", "usage")},
            churn=Churn(kind=kind, horizon_days=28, grace_days=1),
        )
        for kind in ("contract", "inactivity")
    )
    assert days(MONTHLY, split(contract, MONTHLY, ALL).development)[-1] == 196
    assert days(MONTHLY, split(silence, MONTHLY, ALL).development)[-1] == 224


def test_test_dates_are_tested_and_nothing_else() -> None:
    dates = (START + 252 * DAY, START + 308 * DAY)
    found = split(company(test_dates=dates), MONTHLY, ALL)
    assert days(MONTHLY, found.test) == [252, 308]
    assert days(MONTHLY, found.development)[-1] == 224


def test_training_may_stop_earlier() -> None:
    found = split(company(train_until=START + 100 * DAY, test_from=START + 252 * DAY), MONTHLY, ALL)
    assert days(MONTHLY, found.development) == [0, 28, 56, 84]


@pytest.mark.parametrize(
    ("evidence", "judged", "told"),
    [
        pytest.param({"train_until": START + 225 * DAY, "test_from": START + 252 * DAY}, ALL,
                     ["2024-08-13", "2024-09-09", "28 days", "Use 2024-08-12 or earlier"],
                     id="windows reach into the test"),
        pytest.param({"test_from": START + 400 * DAY}, ALL, ["2025-02-04", "2024-12-02"],
                     id="the test lies after the data"),
        pytest.param({"test_from": START + 5 * DAY}, ALL, ["2023-12-09", "2024-01-01", "2024-01-06"],
                     id="nothing before the test"),
        pytest.param({"test_dates": (START + 336 * DAY, START + 364 * DAY)}, ALL, ["2024-12-30", "2024-12-02"],
                     id="a test date that is not closed"),
        pytest.param({}, ~ALL, ["28 days", "no snapshot has a closed label window"], id="nothing is closed"),
    ],
)  # fmt: skip
def test_refusals_name_both_dates(evidence: dict[str, Any], judged: Any, told: list[str]) -> None:
    with pytest.raises(EvidenceError) as refused:
        split(company(**evidence), MONTHLY, judged)
    for part in told:
        assert part in str(refused.value)


def test_a_short_history_has_fewer_folds() -> None:
    few = moments(0, 28, 56, 84)
    found = split(company(), few, np.ones(4, dtype=bool))
    assert days(few, found.development) == [0, 28, 56]
    assert [(days(few, fold.learn), days(few, fold.predict)) for fold in found.folds] == [([0], [28]), ([0, 28], [56])]


@how(max_examples=200, deadline=None, derandomize=True)
@given(
    taken=st.lists(st.tuples(st.integers(0, 700), st.booleans()), min_size=1, max_size=80),
    horizon=st.integers(1, 90),
    lead=st.integers(0, 30),
    train_until=st.none() | st.integers(0, 700),
    test_from=st.none() | st.integers(0, 700),
)
def test_whatever_is_learned_from_was_closed_before_what_it_predicts(
    taken: list[tuple[int, bool]], horizon: int, lead: int, train_until: int | None, test_from: int | None
) -> None:
    at, judged = moments(*(day for day, _ in taken)), np.array([known for _, known in taken])
    given_dates = {"train_until": train_until, "test_from": test_from}
    evidence = {name: START + day * DAY for name, day in given_dates.items() if day is not None}
    try:
        found = split(company(horizon, lead, **evidence), at, judged)
    except EvidenceError:
        return
    gap = np.timedelta64(horizon + lead, "D")
    assert at[found.development].max() + gap <= at[found.test].min()
    assert not (found.development & ~judged).any()
    assert not (found.test & ~judged).any()
    predicted = np.zeros(len(at), dtype=int)
    for fold in found.folds:
        assert at[fold.learn].max() + gap <= at[fold.predict].min()
        assert not ((fold.learn | fold.predict) & ~found.development).any()
        predicted += fold.predict
    assert predicted.max() <= 1
