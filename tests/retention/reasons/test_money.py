"""What each driver costs."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.reasons import money

ACCOUNTS, DRIVERS = st.sampled_from("abcdef"), st.sampled_from(["price", "support", "use"])
AT_RISK = st.dictionaries(ACCOUNTS, st.floats(0, 1e6))
TOLD = st.lists(st.tuples(ACCOUNTS, DRIVERS, st.floats(-3, 3)), unique_by=lambda row: row[:2])


@pytest.mark.system("A12")
@given(AT_RISK, TOLD)
def test_the_parts_add_up_to_the_value_at_risk_of_each_account_and_of_the_book(at_risk, told):
    parts = money.split(at_risk, told)
    assert fsum(parts.values()) == pytest.approx(fsum(at_risk.values()), rel=1e-12)
    for account, value in at_risk.items():
        mine = [part for (other, _), part in parts.items() if other == account]
        assert fsum(mine) == pytest.approx(value, rel=1e-12)
        assert min(mine) >= 0


def scored(account, at_risk, as_of="2024-12-30"):
    return {"account_id": account, "as_of": as_of, "value_at_risk": at_risk, "yearly_value": 1000.0}


def told(account, driver, title, owners, log_odds):
    row = {"account_id": account, "as_of": "2024-12-30", "driver": driver, "title": title, "owners": owners}
    return row | {"log_odds": log_odds}


KEPT = {
    "score_history": [scored("a", 90.0), scored("b", 30.0), scored("c", 5.0), scored("a", 7.0, "2024-12-23")],
    "driver_history": [
        told("a", "budget", "Budget", "csm, sales", 2.0),
        told("a", "product_issue", "Product issue", "product, csm", 1.0),
        told("b", "product_issue", "Product issue", "product, csm", 0.5),
    ],
}


@pytest.mark.system("A12", "D14")
def test_drivers_are_ranked_by_the_value_at_risk_they_account_for(measured):
    by_driver, _ = money.cost(measured(kept=KEPT))
    assert [row[:2] + row[3:] for row in by_driver.rows] == [
        ("budget", "Budget", 1, pytest.approx(60), pytest.approx(60 / 125)),
        ("product_issue", "Product issue", 2, pytest.approx(60), pytest.approx(60 / 125)),
        ("none", "No driver raises it", 1, 5.0, pytest.approx(0.04)),
    ]
    assert by_driver.notes == ("All of it: 125 a year.",)


@pytest.mark.system("P13", "D13")
def test_each_role_sees_the_drivers_it_answers_for(measured):
    _, by_role = money.cost(measured(kept=KEPT))
    assert by_role.rows == (
        ("csm", "Budget, Product issue", 2, pytest.approx(120)),
        ("product", "Product issue", 2, pytest.approx(60)),
        ("sales", "Budget", 1, pytest.approx(60)),
    )
