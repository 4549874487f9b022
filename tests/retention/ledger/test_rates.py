"""Rates, renewals and values of literal books, by hand."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from retention.figures import UNKNOWN, Figure, share
from retention.ledger import baseline, rates, renewals, returns
from retention.ledger.chapter import chapter
from retention.ledger.periods import Period, look
from retention.metrics import METRICS
from retention.sections import Bound

Row = dict[str, Any]
ALL = "[programme]\nfewest = 1\n"
YEAR = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01\n'
"""Months of 2024 are closed; terms that began in December 2023 make its beginning."""


def term(account: str, start: str, end: str | None, mrr: float | None = None, **more: Any) -> Row:
    return {"account_id": account, "started_at": start, "ended_at": end, "mrr": mrr} | more


def value(found: Any) -> float:
    return round(found.value, 6)


BOOK = [
    *(term(f"same{i}", "2023-12-01", None, 100) for i in range(5)),
    term("less", "2023-12-01", "2024-06-15", 100), term("less", "2024-06-15", None, 60),
    term("more", "2023-12-01", "2024-06-15", 100), term("more", "2024-06-15", None, 180),
    term("left", "2023-12-01", "2024-03-20", 100, cancel_reason="price"),
    term("back", "2023-12-01", "2024-03-20", 100), term("back", "2024-09-05", None, 70),
    term("free", "2023-12-01", "2024-05-01", 0), term("free", "2024-05-01", None, 30),
    term("new", "2024-04-10", None, 50),
    term("brief", "2024-04-10", "2024-08-10", 50),
]  # fmt: skip
"""Ten customers at the beginning, nine of whom pay 100. Two are lost, one comes back; two join, one is lost."""


@pytest.mark.system("R2", "R3", "R4", "R5")
def test_the_rates_of_a_year_by_hand(measured: Any) -> None:
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK))
    assert ledger
    assert (ledger.year.begin, ledger.year.end, ledger.year.months) == (date(2023, 12, 1), date(2024, 12, 1), 12)
    renewals.make(ledger.inputs)
    found = rates.figures(ledger, ledger.accounts, ledger.year)
    assert (found["logo_churn"].n, value(found["logo_churn"])) == (10, 0.2)
    assert value(rates.retention_rate(ledger.accounts)) == 0.8
    assert value(found["revenue_churn"]) == round((100 + 100 + 40) / 900, 6)
    assert value(found["grr"]) == round((900 - 240) / 900, 6)
    assert value(found["nrr"]) == round((900 - 240 + 80) / 900, 6)
    sums = {name: float(getattr(ledger.accounts, name).sum()) for name in ("new", "reactivation", "expansion", "end")}
    assert sums == {"new": 80, "reactivation": 70, "expansion": 80, "end": 890}


@pytest.mark.system("R2", "R3", "R4", "R5", "S14", "X12")
def test_every_target_set_is_told_met_or_missed(measured: Any) -> None:
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK)).block("rates")
    told = {row["metric"]: row for row in found.as_dicts()}
    assert told["Logo churn"]["target_b2b_saas"] == "below 5 %: missed, unsure" or "missed" in str(
        told["Logo churn"]["target_b2b_saas"]
    )
    assert str(told["Net revenue retention"]["target_saas_cs"]).startswith("above 100 %: missed")
    assert str(told["Gross revenue retention"]["target_b2b_saas"]).startswith("above 95 %: missed")
    assert told["Gross revenue retention"]["target_saas_cs"] is None
    for row in told.values():
        assert isinstance(row["value"], Figure)
        assert None not in (row["value"].low, row["value"].high, row["value"].n)


@pytest.mark.parametrize(
    ("found", "bound", "told"),
    [
        (Figure(0.04, 900, 0.03, 0.049), Bound(below=0.05), "below 5 %: met"),
        (Figure(0.04, 90, 0.02, 0.09), Bound(below=0.05), "below 5 %: met, unsure"),
        (Figure(1.2, 90, 1.15, 1.3), Bound(above=1.1), "above 110 %: met"),
        (Figure(0.9, 90, 0.85, 0.94), Bound(above=0.95), "above 95 %: missed"),
        (Figure(0.95, 90, 0.9, 0.99), Bound(above=0.95), "above 95 %: missed, unsure"),
        (UNKNOWN, Bound(above=0.95), "above 95 %: not judged"),
        (UNKNOWN, None, None),
    ],
)
def test_a_target_in_words(found: Figure, bound: Bound | None, told: str | None) -> None:
    assert rates.judged(found, bound) == told


def test_less_than_a_year_is_not_held_against_yearly_targets(measured: Any) -> None:
    toml = YEAR.replace("2025-01-01", "2024-09-01")
    found = chapter(measured("2025-01-01", toml=toml, rules=ALL, subscriptions=BOOK)).block("rates")
    assert "the last 8 months" in found.says
    assert all("not judged" in str(row["target_b2b_saas"]) for row in found.as_dicts() if row["target_b2b_saas"])


@pytest.mark.system("L11", "L13", "L14", "M3")
def test_lifetime_value_is_margin_over_churn(measured: Any) -> None:
    """Customer-months by hand: 7 customers stay 12 months, `free` too; 2 are customers at 3 beginnings; and so on."""
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK))
    assert ledger
    months = 8 * 12 + 3 + (3 + 3) + 8 + 4  # held throughout; left; back, twice; new; brief
    paid = 5 * 1200 + (600 + 360) + (600 + 1080) + 7 * 30 + 300 + (300 + 3 * 70) + 8 * 50 + 4 * 50
    assert float(ledger.accounts.customer_months.sum()) == months
    assert float(ledger.accounts.losses.sum()) == 3
    assert float(ledger.accounts.paid.sum()) == paid
    assert rates.ltv(ledger.accounts, 0.75).value == pytest.approx(paid / months * 0.75 / (3 / months))
    [row] = baseline.by_segment(ledger).as_dicts()
    assert (row["segment"], row["customers"], value(row["churn"]), value(row["retention"])) == ("all", 10, 0.2, 0.8)


@pytest.mark.system("L12")
def test_bought_again_is_a_second_term(measured: Any) -> None:
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK))
    assert ledger
    again = baseline.repeat_rate(ledger.inputs, ledger.accounts, ledger.year)
    assert (again.n, value(again)) == (12, round(4 / 12, 6))  # less, more, back, free


@pytest.mark.system("X21")
def test_those_who_come_back_in_the_window_are_won_back(measured: Any) -> None:
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK))
    assert ledger
    found = returns.reactivation_rate(ledger, ledger.year)
    assert (found.n, value(found)) == (3, round(1 / 3, 6))
    until_august = returns.reactivation_rate(ledger, Period(date(2023, 12, 1), date(2024, 8, 1)))
    assert (until_august.n, until_august.value) == (3, 0)
    soon = returns.won_back(ledger).as_dicts()[1]
    assert (soon["lost"], soon["rate"].value) == (3, 0)  # after 169 days, not within 90


@pytest.mark.system("X22")
def test_expansion_is_what_customers_held_add(measured: Any) -> None:
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=BOOK))
    assert ledger
    [row] = returns.expansion(ledger).as_dicts()
    assert (row["expansion"], value(row["rate"]), value(row["accounts"])) == (80, round(80 / 900, 6), 0.1)
    assert rates.expansion(ledger.accounts).value == 80


@pytest.mark.system("R14")
def test_tenure_runs_from_the_accounts_beginning_and_anew_from_a_return(measured: Any) -> None:
    rows = [term(f"a{i}", "2023-12-01", f"2024-03-{10 + i}", 1) for i in range(5)]
    rows += [term("b", "2023-12-01", "2024-02-01", 1), term("b", "2024-10-01", "2024-10-11", 1)]
    accounts = [{"account_id": f"a{i}", "started_at": "2023-11-01"} for i in range(5)]
    accounts.append({"account_id": "b", "started_at": "2023-12-01"})
    accounts += [{"account_id": f"same{i}", "started_at": "2023-12-01"} for i in range(5)]
    terms = [*rows, *BOOK[:5]]
    inputs = measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=terms, accounts=accounts)
    ledger = look(inputs)
    assert ledger
    [row] = baseline.tenure(ledger).as_dicts()
    days = sorted([130, 131, 132, 133, 134, 62, 10])
    assert (row["lost"], row["median"].value) == (7, np.median(days))
    assert [value(row[f"within_{i}"]) for i in range(3)] == [round(2 / 7, 6), round(5 / 7, 6), 0]


@pytest.mark.system("M3")
def test_the_drop_off_point_is_the_month_of_tenure_that_loses_most(measured: Any) -> None:
    rows = [term(f"stay{i}", "2024-01-10", None, 1) for i in range(30)]
    rows += [term(f"go{i}", "2024-01-10", f"2024-03-{15 + i}", 1) for i in range(10)]
    rows += [term("one", "2024-01-10", "2024-01-20", 1), term("first", "2023-12-01", None, 1)]
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows))
    assert ledger
    found = baseline.drop_off(ledger).as_dicts()
    assert [row["tenure_month"] for row in found if row["is_drop_off"]] == [3]
    assert (found[0]["customers"], value(found[0]["churn"])) == (41, round(1 / 41, 6))
    assert (found[2]["customers"], value(found[2]["churn"])) == (41, round(10 / 41, 6))  # and `first`, in its third


RENEWALS = [
    term("kept", "2023-02-01", "2024-02-01", 1, renews_at="2024-02-01", discount=0.2, billing_period="annual"),
    term("kept", "2024-02-01", None, 1, renews_at="2025-02-01", discount=0.1, billing_period="annual"),
    term("gone", "2023-02-01", "2024-02-01", 1, renews_at="2024-02-01", discount=0.0, billing_period="annual"),
    term("upgraded", "2023-07-01", "2024-03-01", 1, renews_at="2024-07-01", discount=0.0, billing_period="annual"),
    term("upgraded", "2024-03-01", None, 2, renews_at="2025-03-01", discount=0.0, billing_period="annual"),
    term("runs on", "2023-05-01", None, 1, renews_at="2024-05-01", discount=0.0, billing_period="annual"),
    term("early", "2023-11-01", "2024-04-10", 1, renews_at="2024-11-01", discount=0.0, billing_period="annual"),
]


@pytest.mark.system("S14", "A14")
def test_the_renewal_rate_counts_terms_that_came_to_their_end(measured: Any) -> None:
    """Renewed: kept, and runs on. Not: gone, and early. The upgrade in the middle of a term is no renewal."""
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=RENEWALS))
    assert ledger
    renewals.make(ledger.inputs)
    found = renewals.renewal_rate(ledger.inputs, ledger.year)
    assert (found.n, found.value) == (4, 0.5)


@pytest.mark.system("G8")
def test_discounted_renewals_are_followed_beside_the_others(measured: Any) -> None:
    rows = []
    for kind, discount, lost in (("d", 0.3, 4), ("f", 0.0, 1)):
        for i in range(10):
            end = "2024-06-01" if i < lost else None
            rows.append(term(f"{kind}{i}", "2023-02-01", "2024-02-01", 1, discount=0.5))
            rows.append(term(f"{kind}{i}", "2024-02-01", end, 1, discount=discount))
    rows += [
        term("late", "2023-10-01", "2024-10-01", 1, discount=0.0),
        term("late", "2024-10-01", None, 1, discount=0.0),
    ]
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows)).block("discount_masking")
    told = {row["renewal"]: row for row in found.as_dicts()}
    assert [told["renewed with a discount"][name] for name in ("accounts", "lost")] == [10, 4]
    assert [told["renewed without"][name] for name in ("accounts", "lost")] == [10, 1]
    gap = told["difference"]["churn"]
    assert gap.value == pytest.approx(0.3)
    with_, without = share(4, 10), share(1, 10)
    assert gap.low == pytest.approx(0.3 - ((0.4 - with_.low) ** 2 + (without.high - 0.1) ** 2) ** 0.5)
    assert "cannot say" in found.notes[0]


def test_what_is_not_known_is_named_and_never_zero(measured: Any) -> None:
    rows = [{"account_id": f"a{i}", "started_at": "2023-12-01", "ended_at": None} for i in range(6)]
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows))
    assert [row["metric"] for row in found.block("rates").as_dicts()] == ["Logo churn"]
    assert "nrr" not in found.figures
    assert any(told.startswith("revenue") for told in found.not_measured)
    assert any(told.startswith("NPS") for told in found.not_measured)
    assert set(found.figures) <= set(METRICS)


def test_without_a_closed_month_nothing_is_measured(measured: Any) -> None:
    found = chapter(measured("2024-01-02", subscriptions=[term("a", "2024-01-01", None, 1)]))
    assert not found.blocks
    assert found.not_measured
