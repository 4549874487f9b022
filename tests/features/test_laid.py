"""What stretches hold, laid in one order of accounts: bits of days, years out of parts, and who is not there."""

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import bits
from features.errors import SourceError
from features.laid import Order
from features.years import YEAR, Share, added_up

AGES = st.sets(st.integers(1, 28))
PARTS = st.lists(st.tuples(AGES, st.integers(0, 9), st.none() | st.integers(-500, 500)), min_size=1, max_size=13)


def as_bits(ages: set[int]) -> int:
    return sum(1 << age - 1 for age in ages)


@given(st.lists(AGES, min_size=1), st.integers(0, 6))
def test_bits_tell_the_newest_and_oldest_day_and_the_weeks(accounts: list[set[int]], later: int) -> None:
    days = np.array([as_bits(ages) for ages in accounts], np.int32)
    assert bits.newest(days).tolist() == [min(ages, default=0) for ages in accounts]
    assert bits.oldest(days).tolist() == [max(ages, default=0) for ages in accounts]
    weeks = [{(age + later - 1) // 7 for age in ages} for ages in accounts]
    assert bits.weeks(days, later).tolist() == [sum(1 << week for week in of) for of in weeks]


@given(PARTS, st.integers(0, 27))
def test_a_year_is_its_parts_together(parts: list[tuple[set[int], int, int | None]], later: int) -> None:
    """The newest part ends `later` days before the snapshot, each other 28 days before the next."""
    ends = [later + 28 * back for back in range(len(parts) - 1, -1, -1)]
    shares = [(Share(laid(ages, visits, cents)), end) for (ages, visits, cents), end in zip(parts, ends, strict=True)]
    found = {name: column.to_pylist() for name, column in added_up(shares).items()}
    ages = {age + end for (of, _, _), end in zip(parts, ends, strict=True) for age in of}
    paid = [cents for _, _, cents in parts if cents is not None]
    expected: dict[str, Any] = {
        "year_events": len(ages),
        "year_visits": sum(visits for _, visits, _ in parts),
        "year_value_cents": sum(paid) if paid else None,
        "year_newest": min(ages, default=None),
        "year_oldest": max(ages, default=None),
        "week_bits": sum(1 << week for week in {(age - 1) // 7 for age in ages}),
    }
    assert found == {name: [expected[name]] for name in YEAR}


def laid(ages: set[int], visits: int, cents: int | None) -> pa.Table:
    """One account with an event on each of some days."""
    types = {"events": pa.int64(), "visits": pa.int64(), "value_cents": pa.int64(), "day_bits": pa.int32()}
    row = {"events": len(ages) or None, "visits": visits, "value_cents": cents, "day_bits": as_bits(ages)}
    return pa.table({name: pa.array([row[name]], kind) for name, kind in types.items()})


def test_money_that_64_bits_do_not_hold_is_an_error_and_not_another_number() -> None:
    half = Share(laid({1}, 1, 2**62))
    with pytest.raises(SourceError, match="value_cents of a year may add up to more than 64 bits hold"):
        added_up([(half, 28), (half, 0)])


def test_accounts_are_laid_in_order_and_who_is_not_there_is_null() -> None:
    order = Order(pa.array(["b", "a", "c", "b"]))
    told = pa.table({"account_id": ["c", "x", "a"], "n": [3, 9, 1]})
    assert order.lay(told).to_pylist() == [{"n": 1}, {"n": None}, {"n": 3}]
    assert order.lay(told.slice(0, 0)).to_pylist() == 3 * [{"n": None}]


def test_wanted_accounts_are_numbered_on_from_the_first() -> None:
    found = Order(pa.array(["a", "b", "c"])).numbered(pa.array(["c", "a"]), datetime(2024, 1, 1), 7, {})
    assert found["_row"].to_pylist() == [7, None, 8]
    assert found["account_id"].to_pylist() == ["a", "b", "c"]
