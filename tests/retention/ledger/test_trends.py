"""Months, segments, reasons and cohorts; whether churn falls, and whether indicators led."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from retention.figures import Figure, difference, share
from retention.ledger import cohorts, trends, works
from retention.ledger.chapter import chapter
from retention.ledger.periods import look

Row = dict[str, Any]
ALL = "[programme]\nfewest = 1\n"
YEARS = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01\n'


def term(account: str, start: str, end: str | None, mrr: float | None = None, **more: Any) -> Row:
    return {"account_id": account, "started_at": start, "ended_at": end, "mrr": mrr} | more


BOOK = [
    *(term(f"s{i}", "2022-12-01", None, 10) for i in range(8)),
    term("s8", "2022-12-01", "2023-03-10", 10, cancel_reason="price"),
    term("s9", "2022-12-01", "2024-03-10", 10, cancel_reason="price"),
    *(term(f"b{i}", "2022-12-01", None, 100) for i in range(3)),
    term("b3", "2022-12-01", "2024-03-15", 100, cancel_reason="bugs"),
    term("b4", "2022-12-01", "2024-03-16", 100, cancel_reason=None),
    term("b4", "2024-03-25", None, 50),
    term("s10", "2024-03-02", None, 10),
]
SEGMENTS = [{"account_id": f"s{i}", "segment": "small", "started_at": "2022-12-01"} for i in range(11)]
SEGMENTS += [{"account_id": f"b{i}", "segment": "big", "started_at": "2022-12-01"} for i in range(5)]


@pytest.fixture
def told(measured: Any) -> Any:
    return chapter(measured("2025-01-01", toml=YEARS, rules=ALL, subscriptions=BOOK, accounts=SEGMENTS))


@pytest.mark.system("R1")
def test_a_month_and_the_same_month_a_year_before(told: Any) -> None:
    march = next(row for row in told.block("churn_by_month").as_dicts() if row["month"] == date(2024, 3, 1))
    assert [march[name] for name in ("customers", "won", "won_back", "lost")] == [14, 1, 1, 3]
    assert march["churn"] == share(3, 14)
    assert march["change"] == difference(share(3, 14), share(1, 15))
    assert march["revenue_churn"].value == pytest.approx((10 + 100 + 100) / (9 * 10 + 5 * 100))
    assert march["revenue_change"].value == pytest.approx(210 / 590 - 10 / 600)


@pytest.mark.system("R1")
def test_segments_add_up_to_the_book(told: Any) -> None:
    whole = {row["month"]: row for row in told.block("churn_by_month").as_dicts()}
    for month, row in whole.items():
        parts = [one for one in told.block("churn_by_segment_month").as_dicts() if one["month"] == month]
        assert [one["segment"] for one in parts] == ["big", "small"]
        for name in ("customers", "lost"):
            assert sum(one[name] for one in parts) == row[name]


@pytest.mark.system("R1", "X22")
def test_money_adds_up_a_month(told: Any) -> None:
    rows = told.block("money").as_dicts()
    for row in rows:
        end = row["begin"] + row["new"] + row["reactivation"] + row["expansion"] - row["contraction"] - row["churn"]
        assert end == pytest.approx(row["end"])
    march = next(row for row in rows if row["month"] == date(2024, 3, 1))
    assert [march[name] for name in ("begin", "new", "reactivation", "churn", "end")] == [590, 10, 50, 210, 440]


@pytest.mark.system("R1")
def test_losses_by_reason_this_year_and_last(told: Any) -> None:
    rows = {row["reason"]: row for row in told.block("churn_by_reason").as_dicts()}
    assert {name: (row["lost"], row["lost_before"], row["money"]) for name, row in rows.items()} == {
        "price": (1, 1, 10), "bugs": (1, 0, 100), "(none told)": (1, 0, 100),
    }  # fmt: skip
    assert rows["price"]["change"] == difference(share(1, 3), share(1, 1))
    march = [row for row in told.block("reasons_by_month").as_dicts() if row["month"] == date(2024, 3, 1)]
    assert {(row["reason"], row["lost"], row["before"], row["change"]) for row in march} == {
        ("price", 1, 1, 0), ("bugs", 1, 0, 1), ("(none told)", 1, 0, 1),
    }  # fmt: skip


@pytest.mark.system("M3", "L11", "L13")
def test_the_segment_that_churns_fastest_comes_first(told: Any) -> None:
    rows = told.block("baseline").as_dicts()
    assert [row["segment"] for row in rows] == ["all", "big", "small"]
    assert rows[1]["churn"] == share(2, 5)
    assert rows[2]["churn"] == share(1, 9)


# ------------------------------------------------------------------------------------------------------- cohorts


@pytest.mark.system("R21")
def test_a_cohort_is_told_when_all_of_it_have_had_the_time(measured: Any) -> None:
    rows = [term("old", "2023-12-01", None, 1)]
    rows += [term(f"j{i}", "2024-01-31", "2024-04-15" if i < 2 else None, 10) for i in range(4)]
    rows += [term("j0", "2024-07-20", None, 20)]
    ledger = look(measured("2025-01-01", toml=YEARS.replace("2025-01-01", "2024-09-01"), rules=ALL, subscriptions=rows))
    assert ledger
    [january] = cohorts.by_start(ledger).as_dicts()
    kept = {name: january[name].value for name in january if name.startswith("after")}
    assert (january["month"], january["customers"]) == (date(2024, 1, 1), 4)
    assert kept == {"after_1": 1.0, "after_3": 0.5, "after_6": 0.75}  # on 31 July j0 is back
    curve = {row["months"]: row for row in cohorts.curves(ledger).as_dicts()}
    assert [curve[after]["kept"].value for after in curve] == [1, 1, 1, 0.5, 0.5, 0.5, 0.75, 0.75]
    assert [curve[after]["revenue_kept"] for after in (0, 3, 6)] == [1.0, 0.5, 1.0]


@pytest.mark.system("L10")
def test_cohorts_by_second_order(measured: Any) -> None:
    toml = '[churn]\nkind = "inactivity"\nhorizon_days = 28\n[company]\nbusiness_model = "b2c"\n'
    use = [{"account_id": "x", "at": f"2024-{m:02}-{d:02}", "value": 1} for m in range(1, 13) for d in (1, 20)]
    use += [{"account_id": "a", "at": at, "value": 1} for at in ("2024-02-20", "2024-03-05", "2024-03-30")]
    use += [{"account_id": "b", "at": "2024-02-20", "value": 1}]
    use += [{"account_id": "c", "at": at, "value": 1} for at in ("2024-02-20", "2024-03-15", "2024-03-15")]
    ledger = look(measured("2024-12-20", toml=toml, rules=ALL, usage=use))
    assert ledger
    march = next(row for row in cohorts.by_repeat(ledger).as_dicts() if row["month"] == date(2024, 3, 1))
    assert (march["customers"], march["after_1"].value) == (2, 0.5)  # a until 27 April, c until 12 April


# ------------------------------------------------------------------------------------------ is it falling, did it lead


@pytest.mark.system("R22b")
def test_the_trend_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, customers, covered = np.random.default_rng(1), np.full(24, 800.0), 0
    chance = 1 / (1 + np.exp(-(-3.4 + np.log(0.7) * np.arange(24) / 12)))
    for _ in range(300):
        found = works.rate_trend(rng.binomial(800, chance).astype(float), customers)
        covered += found.low <= 0.7 <= found.high
    assert 0.91 <= covered / 300 <= 0.985


def test_the_trend_of_two_levels_is_their_odds_ratio() -> None:
    """Twelve months of one rate and one month, a year on, of another: with few months in between it is not judged."""
    lost, customers = np.array([30.0, 15.0]), np.array([300.0, 300.0])
    assert works.rate_trend(lost, customers) == Figure(None, 2)
    steady = works.rate_trend(np.full(24, 8.0), np.full(24, 200.0))
    assert steady.value == pytest.approx(1.0)
    assert steady.low < 1 < steady.high


def test_a_line_and_a_correlation_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20), rng.normal(size=20)
    assert works.slope(y).value == pytest.approx(np.polyfit(np.arange(20) / 12, y, 1)[0])
    found = works.correlation(x, y)
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert (np.arctanh(found.low) + np.arctanh(found.high)) / 2 == pytest.approx(np.arctanh(found.value))
    assert works.correlation(x, np.ones(20)).value is None


@pytest.mark.system("R22b", "R11")
def test_an_indicator_that_leads_is_told_so(measured: Any) -> None:
    """Tickets swing from month to month, and churn swings with them a month later."""
    rows, tickets = [], []
    for month in range(1, 13):
        busy = month % 2
        for i in range(9 if not busy else 1):
            rows.append(term(f"m{month}-{i}", "2023-12-01", f"2024-{month:02}-{10 + i:02}", 1))
        tickets += [{"account_id": "stay0", "opened_at": f"2024-{month:02}-05"} for _ in range(300 if busy else 3)]
    rows += [term(f"stay{i}", "2023-12-01", None, 1) for i in range(100)]
    found = chapter(measured("2025-01-01", toml=YEARS, rules=ALL, subscriptions=rows, support=tickets))
    [row] = found.block("leading_lag").as_dicts()
    assert (row["indicator"], row["verdict"]) == ("Tickets a customer", "led")
    assert row["lag_1"].low > 0 > row["lag_2"].high
    assert found.block("churn_trend").as_dicts()[0]["verdict"] in ("unclear", "falling", "rising")


def test_months_are_those_of_the_ledger(measured: Any) -> None:
    ledger = look(measured("2025-01-01", toml=YEARS, rules=ALL, subscriptions=BOOK, accounts=SEGMENTS))
    assert ledger
    assert len(ledger.months) == 24
    assert ledger.before
    assert str(ledger.before) == "2023-01 to 2023-12"
    assert trends.months(ledger)[None][date(2024, 3, 1)].lost == 3
