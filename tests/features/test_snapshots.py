"""Who is looked at, and when, by what was known then."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from hypothesis import strategies as st

from features import snapshots
from features.config import Evidence, Mapping, Settings, Snapshots
from features.errors import SourceError

T, DAY = datetime(2024, 3, 1), timedelta(days=1)
TOLD = '[churn]\nkind = "told"\n'
Row = dict[str, Any]


def spine(company: Any, *dates: datetime) -> list[tuple[str, datetime]]:
    snapshots.spine(company.settings, company.engine, company.staged, list(dates) or [T])
    return on_spine(company)


def on_spine(company: Any) -> list[tuple[str, datetime]]:
    rows: list[tuple[str, datetime]] = company.engine.rows("SELECT account_id, snapshot_at FROM spine ORDER BY ALL")
    return rows


def term(start: str, end: str | None = None, **more: Any) -> Row:
    return {"account_id": "a", "started_at": start, "ended_at": end} | more


@pytest.mark.parametrize(
    ("terms", "alive"),
    [
        pytest.param([term("2024-01-01")], True, id="an open term"),
        pytest.param([term("2024-01-01", "2024-03-01")], True, id="ends at the snapshot: not known to have ended"),
        pytest.param([term("2024-01-01", "2024-02-29 23:59:59.999999")], False, id="ended a microsecond before"),
        pytest.param([term("2024-03-01")], False, id="begins at the snapshot"),
        pytest.param([term("2023-01-01", "2024-02-01"), term("2024-04-01")], False, id="between two terms"),
        pytest.param([term("2023-01-01", "2024-03-01"), term("2024-03-01")], True, id="from one term to the next"),
        pytest.param([term("2024-01-01"), term("2024-02-01")], True, id="two running terms"),
        pytest.param([term("2024-01-01", known_at="2024-03-02")], False, id="signed before, learnt after"),
        pytest.param(
            [term("2024-01-01", None, row_id="1", known_at="2024-01-01"),
             term("2024-01-01", "2024-02-01", row_id="1", known_at="2024-03-01")], False, id="known to have ended",
        ),
        pytest.param(
            [term("2024-01-01", None, row_id="1", known_at="2024-01-01"),
             term("2024-01-01", "2024-02-01", row_id="1", known_at="2024-03-02")], True, id="ended, learnt after",
        ),
    ],
)  # fmt: skip
def test_an_account_is_alive_by_its_terms(company: Any, terms: list[Row], alive: bool) -> None:
    company.stage(subscriptions=terms)
    assert spine(company) == ([("a", T)] if alive else [])


def test_a_contract_of_an_account_not_known_yet_counts_for_nobody(company: Any) -> None:
    accounts = [{"account_id": "a", "started_at": "2024-01-01", "known_at": "2024-03-10"}]
    company.stage(accounts=accounts, subscriptions=[term("2024-01-01")])
    assert spine(company, T, T + 28 * DAY) == [("a", T + 28 * DAY)]


def test_without_contracts_an_account_is_there_until_it_says_it_left(company: Any) -> None:
    company.stage(
        TOLD,
        usage=[{"account_id": "a", "at": "2024-01-01"}, {"account_id": "new", "at": T}],
        churns=[{"account_id": "a", "at": T + DAY, "known_at": T + 2 * DAY}],
    )
    found = spine(company, T, T + DAY, T + 2 * DAY)
    assert found == [("a", T), ("a", T + DAY), ("new", T + DAY), ("new", T + 2 * DAY)]


@pytest.mark.parametrize(
    ("population", "usage", "there"),
    [
        pytest.param("min_events = 2", [("s1", "2024-01-01"), ("s2", "2024-02-01")], True, id="enough visits"),
        pytest.param(
            "min_events = 2", [("s1", "2024-01-01"), ("s1", "2024-01-01")], False, id="two lines of one visit"
        ),
        pytest.param("min_events = 2", [("s1", "2024-01-01"), (None, "2024-01-01")], False, id="a line of no visit"),
        pytest.param(
            "min_events = 2", [("s1", "2024-01-01"), ("s2", "2024-03-01")], False, id="the second at the snapshot"
        ),
        pytest.param("active_within_days = 28", [("s1", "2024-02-02")], True, id="28 days ago, to the moment"),
        pytest.param("active_within_days = 28", [("s1", "2024-02-01 23:59")], False, id="a minute more"),
        pytest.param(
            "active_within_days = 28", [("s1", "2024-01-01"), ("s1", "2024-03-01")], False, id="back at the snapshot"
        ),
    ],
)
def test_the_population_comes_often_and_lately_enough(
    company: Any, population: str, usage: list[tuple[str | None, str]], there: bool
) -> None:
    rows = [{"account_id": "a", "session_id": session, "at": at} for session, at in usage]
    company.stage(f"{TOLD}[population]\n{population}", usage=rows, churns=[{"account_id": "a", "at": T + 90 * DAY}])
    assert spine(company) == ([("a", T)] if there else [])


def test_inactivity_looks_at_accounts_seen_within_two_horizons(company: Any) -> None:
    company.stage('[churn]\nkind = "inactivity"\nhorizon_days = 14', usage=[{"account_id": "a", "at": "2024-02-02"}])
    assert spine(company, T, T + DAY) == [("a", T)]


def test_versions_of_one_event_are_one_event(company: Any) -> None:
    event = {"account_id": "a", "row_id": "1", "at": "2024-02-01"}
    company.stage(
        f"{TOLD}[population]\nmin_events = 2",
        usage=[event | {"known_at": "2024-02-01"}, event | {"known_at": "2024-02-10"}],
        churns=[{"account_id": "a", "at": T + 90 * DAY}],
    )
    assert spine(company) == []


@how(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seed=st.integers(0, 2**32), versions=st.booleans(), visits=st.booleans())
def test_the_population_is_that_of_counting_by_hand(company: Any, seed: int, versions: bool, visits: bool) -> None:
    rng = random.Random(seed)
    rows: list[Row] = []
    for i in range(60):
        at = T + timedelta(hours=rng.randrange(-100 * 24, 10 * 24, 12))
        row = {"account_id": rng.choice("abcdef"), "at": at}
        row |= {"session_id": rng.choice(["s", "t", "u", None])} if visits else {}
        row |= {"row_id": str(i), "known_at": at + rng.randrange(20) * DAY} if versions else {}
        rows.append(row)
        if versions and rng.random() < 0.4:
            rows.append(row | {"account_id": rng.choice("abcdef"), "known_at": row["known_at"] + DAY})
    company.stage(
        f"{TOLD}[population]\nmin_events = 3\nactive_within_days = 20",
        accounts=[{"account_id": account, "started_at": "2000-01-01"} for account in "abcdef"],
        usage=rows,
        churns=[{"account_id": "a", "at": T + 90 * DAY}],
    )

    def visible(row: Row, at: datetime) -> bool:
        newer = [r for r in rows if versions and r["row_id"] == row["row_id"] and r["known_at"] > row["known_at"]]
        known = row["known_at"] if versions else row["at"]
        return row["at"] < at and known <= at and not any(r["known_at"] <= at for r in newer)

    def there(account: str, at: datetime) -> bool:
        seen = [row for row in rows if row["account_id"] == account and visible(row, at)]
        units = {row["session_id"] for row in seen} - {None} if visits else seen
        return len(units) >= 3 and any(row["at"] >= at - 20 * DAY for row in seen)

    dates = [T - 28 * DAY, T, T + DAY]
    assert spine(company, *dates) == [(a, date) for a in "abcdef" for date in dates if there(a, date)]


def renewing(company: Any, *terms: Row, before: int = 7) -> None:
    company.stage(f"[snapshots]\nbefore_renewal_days = {before}", subscriptions=list(terms))


def test_each_renewal_is_looked_at_some_days_before(company: Any) -> None:
    renewing(
        company,
        term("2024-01-01", "2024-02-01", renews_at="2024-02-01 15:00"),
        term("2024-02-01", "2024-03-01", renews_at="2024-03-01"),
        term("2024-03-01", None, renews_at="2024-03-05"),
    )
    snapshots.renewal_spine(company.settings, company.engine, company.staged, datetime(2024, 1, 1), T)
    assert on_spine(company) == [("a", datetime(2024, 1, 25)), ("a", datetime(2024, 2, 23))]


@pytest.mark.parametrize(
    ("known_at", "dates"),
    [
        pytest.param("2024-02-25", [datetime(2024, 2, 23), datetime(2024, 3, 25)], id="after the first date"),
        pytest.param("2024-02-23", [datetime(2024, 3, 25)], id="on the first date"),
    ],
)
def test_a_renewal_that_was_moved_counts_as_known_on_each_date(
    company: Any, known_at: str, dates: list[datetime]
) -> None:
    first = term("2024-01-01", None, row_id="1", known_at="2024-01-01", renews_at="2024-03-01")
    renewing(company, first, first | {"known_at": known_at, "renews_at": "2024-04-01"})
    snapshots.renewal_spine(company.settings, company.engine, company.staged, datetime(2024, 1, 1), T + 90 * DAY)
    assert on_spine(company) == [("a", date) for date in dates]


@pytest.mark.parametrize(("renews", "there"), [(-1, False), (0, True), (7, True), (8, False)])
def test_the_book_of_a_day_is_who_renews_within_those_days(company: Any, renews: int, there: bool) -> None:
    renewing(company, term("2024-01-01", None, renews_at=T + renews * DAY))
    assert snapshots.spine_at(company.settings, company.engine, company.staged, T) == int(there)


def test_renewals_need_their_date(company: Any) -> None:
    renewing(company, term("2024-01-01"))
    with pytest.raises(SourceError, match="needs `renews_at` mapped"):
        snapshots.spine_at(company.settings, company.engine, company.staged, T)


def gridded(first: datetime, last: datetime, **sections: Any) -> list[datetime]:
    given_settings = Settings(root=Path(), sources={"subscriptions": Mapping(path="x.csv")}, **sections)
    return snapshots.grid(given_settings, first, last)


@how(max_examples=100, deadline=None, derandomize=True)
@given(
    first=st.integers(0, 400),
    length=st.integers(0, 400),
    step=st.integers(1, 90),
    anchor=st.none() | st.integers(-200, 900),
)
def test_the_grid_fills_its_span_from_its_anchor(first: int, length: int, step: int, anchor: int | None) -> None:
    begin, end = T + first * DAY, T + (first + length) * DAY + timedelta(hours=5)
    test_from = None if anchor is None else T + anchor * DAY
    found = gridded(begin, end, snapshots=Snapshots(every_days=step), evidence=Evidence(test_from=test_from))
    origin = first + length if anchor is None else anchor
    assert found == [T + day * DAY for day in range(first, first + length + 1) if (day - origin) % step == 0]


def test_test_dates_are_on_the_grid_and_anchor_it() -> None:
    dates = (T + 280 * DAY, T + 300 * DAY)
    found = gridded(T + DAY, T + 320 * DAY, evidence=Evidence(test_dates=dates))
    assert set(dates) <= set(found)
    assert all((day - dates[0]) % (28 * DAY) == timedelta(0) for day in found if day != dates[1])


def test_given_dates_are_taken_with_the_test_dates() -> None:
    dates, test = (T, T + 50 * DAY, T + 999 * DAY), (T + 60 * DAY,)
    found = gridded(T, T + 100 * DAY, snapshots=Snapshots(dates=dates), evidence=Evidence(test_dates=test))
    assert found == [T, T + 50 * DAY, T + 60 * DAY]


def test_no_date_is_refused(company: Any) -> None:
    company.stage(subscriptions=[term("2024-01-01")])
    with pytest.raises(SourceError, match="no snapshot date is left"):
        snapshots.spine(company.settings, company.engine, company.staged, [])


def test_the_span_begins_at_a_midnight(company: Any) -> None:
    company.stage(subscriptions=[term("2024-01-05 10:00")], usage=[{"account_id": "a", "at": "2024-01-03 22:00"}])
    assert snapshots.span(company.engine, company.staged) == (datetime(2024, 1, 3), datetime(2024, 1, 5, 10))
