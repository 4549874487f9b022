"""Silences, returns, and the threshold between a pause and a warning."""

import random
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from retention.errors import RetentionError
from retention.silence import Threshold, by_segment, inactive, learn_inactivity

START, DAY = datetime(2023, 1, 2), timedelta(days=1)
LEARN = '[churn]\nkind = "inactivity"\nhorizon_days = {}\ninactive_days = {}'
Row = dict[str, Any]


def uses(account: str, days: list[int]) -> list[Row]:
    return [{"account_id": account, "at": START + day * DAY + timedelta(hours=9)} for day in days]


def book(calendars: dict[str, list[int]], segment: Any = lambda account: None) -> dict[str, list[Row]]:
    accounts = [{"account_id": a, "started_at": START - DAY, "segment": segment(a)} for a in calendars]
    return {"accounts": accounts, "usage": [row for a, days in calendars.items() for row in uses(a, days)]}


def learned(company: Any, rows: dict[str, list[Row]], known_by: datetime, horizon: int = 28) -> list[Threshold]:
    company.stage(LEARN.format(horizon, '"learn"'), **rows)
    return learn_inactivity(company.engine, company.staged, company.settings, known_by)


def test_without_the_setting_nobody_is_called_inactive(company: Any) -> None:
    company.stage('[churn]\nkind = "inactivity"', **book({"a": [1]}))
    assert learn_inactivity(company.engine, company.staged, company.settings, START + DAY) == []


def test_a_number_is_everybodys_threshold(company: Any) -> None:
    company.stage(LEARN.format(28, 40), **book({"a": [1]}))
    assert by_segment(learn_inactivity(company.engine, company.staged, company.settings, START)) == {"": 40}


def test_learning_without_usage_is_refused(company: Any) -> None:
    terms = [{"account_id": "a", "started_at": START}]
    company.stage('[churn]\ninactive_days = "learn"', subscriptions=terms)
    with pytest.raises(RetentionError, match=r"needs \[sources.usage\]"):
        learn_inactivity(company.engine, company.staged, company.settings, START)


def test_monthly_customers_are_not_warned_of_in_their_month(company: Any) -> None:
    """Within a week of a silent day few of them return, and yet every one does at the month's end."""
    monthly = {f"m{i}": list(range(i % 30, 390, 30)) for i in range(60)}
    gone = {f"g{i}": [i % 30] for i in range(30)}
    [found] = learned(company, book(monthly | gone), START + 400 * DAY, horizon=7)
    assert found.days == 31
    assert found.return_rate(1) == 0
    assert found.return_rate(30) > 0.9


def test_customers_who_always_return_give_no_threshold(company: Any) -> None:
    [found] = learned(company, book({f"d{i}": list(range(100)) for i in range(60)}), START + 100 * DAY)
    assert found.days is None
    assert by_segment([found]) == {}


def test_the_threshold_of_geometric_returns_is_the_closed_form(company: Any) -> None:
    """A silence is final with probability q, else it ends on each day with probability p.

    Of those that lasted d days a share s = (1-q)(1-p)^(d-1) / ((1-q)(1-p)^(d-1) + q) is not final, and
    1 - (1-p)^h of that share returns within h days: below one half from the first d that makes the product so.
    """
    p, q, h, rng = 0.15, 0.02, 28, np.random.default_rng(7)
    calendars = {}
    for i in range(1500):
        days = [int(rng.integers(100))]
        while days[-1] < 900 and rng.random() > q:
            days.append(days[-1] + int(rng.geometric(p)))
        calendars[f"a{i}"] = days
    [found] = learned(company, book(calendars), START + 900 * DAY, horizon=h)

    def rate(d: int) -> float:
        alive = (1 - q) * (1 - p) ** (d - 1)
        return alive / (alive + q) * (1 - (1 - p) ** h)

    exact = next(d for d in range(1, 364) if rate(d) < 0.5)
    assert exact == 25
    assert found.days == pytest.approx(exact, abs=1)
    for d in (1, 5, 10, 20, 30):
        assert found.return_rate(d) == pytest.approx(rate(d), abs=4 * (0.25 / found.silences[d - 1]) ** 0.5)


@settings(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seed=st.integers(0, 2**32), horizon=st.integers(1, 20))
def test_counts_are_those_of_looking_at_every_account_every_morning(company: Any, seed: int, horizon: int) -> None:
    rng = random.Random(seed)
    calendars = {f"a{i}": sorted(rng.sample(range(80), rng.randint(1, 12))) for i in range(12)}
    end = rng.randint(30, 80)
    [found] = learned(company, book(calendars), START + end * DAY, horizon)
    silences, returns = [0] * 364, [0] * 364
    for days in calendars.values():
        for morning in range(1, end + 1):
            used = [day for day in days if day < morning]
            if not used or morning + horizon > end:
                continue
            silent = morning - used[-1]
            silences[silent - 1] += 1
            returns[silent - 1] += any(morning <= day < morning + horizon for day in days)
    assert (list(found.silences), list(found.returns)) == (silences, returns)


def test_what_comes_after_the_date_is_not_learned_from(company: Any) -> None:
    calendars = {f"a{i}": list(range(i % 5, 200, 5)) for i in range(50)}
    early = {a: [day for day in days if day < 100] for a, days in calendars.items()}
    known_by = START + 100 * DAY
    assert learned(company, book(calendars), known_by) == learned(company, book(early), known_by)


def test_a_use_that_was_learnt_of_later_is_not_learned_from(company: Any) -> None:
    known_by, rows = START + 100 * DAY, book({f"a{i}": [0, 50] for i in range(50)})
    for row in rows["usage"]:
        row["known_at"] = row["at"] if row["at"] < START + DAY else known_by + DAY
    [found] = learned(company, rows, known_by)
    assert (found.silences[59], sum(found.returns)) == (50, 0)


def test_large_segments_have_thresholds_of_their_own(company: Any) -> None:
    weekly = {f"w{i}": list(range(i % 7, 300 if i % 3 else 100, 7)) for i in range(60)}
    daily = {f"d{i}": list(range(0, 300 if i % 3 else 100)) for i in range(60)}
    few = {f"f{i}": list(range(0, 300, 9)) for i in range(49)}
    found = learned(company, book(weekly | daily | few, lambda a: a[0]), START + 300 * DAY, horizon=3)
    assert [(t.segment, t.accounts) for t in found] == [("", 169), ("d", 60), ("w", 60)]
    assert by_segment(found)["d"] == 2
    assert by_segment(found)["w"] == 8


def test_rows_are_inactive_from_their_segments_days_on(company: Any) -> None:
    calendars = {"small 9": [1], "small 10": [0], "large 10": [0], "never": []}
    company.stage(**book(calendars, lambda a: a.split()[0]))
    at = START + 10 * DAY
    features = company.features([(a, at) for a in calendars])
    flags = inactive(company.engine, features, {"": 30, "small": 10})
    named = dict(zip(features["account_id"].to_pylist(), flags.tolist(), strict=True))
    assert named == {"small 9": False, "small 10": True, "large 10": False, "never": True}
    assert not inactive(company.engine, features, {}).any()
