"""The plan is the best one: against every plan of small books and the relaxation's bound; more hours never hurt."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from retention.capacity import compare
from retention.capacity.choices import Choice
from retention.capacity.solve import limits, solve
from retention.figures import Figure

SPLIT = {"high": 0.5, "medium": 0.3, "low": 0.2}
NO_SPLIT = {"high": 1.0, "medium": 1.0, "low": 1.0}


def choice(account="A", level="high", hours=1.0, worth=100.0, *, play="call", probability=0.1, cost=0.0):
    """A play that is worth so much."""
    stake = 10 * (worth + cost)
    return Choice(
        account_id=account, owner="ann", level=level, play=play, hours=hours, cost=cost,
        probability=probability, stake=stake, effect=Figure(0.1, None, 0.0, 0.2),
    )  # fmt: skip


@st.composite
def books(draw):
    """Up to six accounts with up to two plays each: few enough to try every plan."""
    found = []
    for i in range(draw(st.integers(1, 6))):
        level = draw(st.sampled_from(("high", "medium", "low")))
        for play in ("call", "visit")[: draw(st.integers(1, 2))]:
            hours, worth = draw(st.integers(1, 12)) / 4, draw(st.integers(1, 400))
            found.append(choice(f"A{i}", level, hours, worth, play=play, probability=draw(st.floats(0.01, 0.9))))
    return found


def plans(book):
    """Every plan: for each account one of its plays, or none."""
    accounts = dict.fromkeys(one.account_id for one in book)
    options = [[None, *(one for one in book if one.account_id == account)] for account in accounts]
    return [[one for one in plan if one] for plan in product(*options)]


def is_allowed(plan, hours, most):
    spent = {level: sum(one.hours for one in plan if one.level == level) for level in most}
    return sum(spent.values()) <= hours + 1e-9 and all(spent[level] <= most[level] + 1e-9 for level in most)


@pytest.mark.system("P10")
@settings(max_examples=60, deadline=None)
@given(books(), st.integers(0, 24))
def test_no_plan_of_a_small_book_is_worth_more(book, quarters):
    hours = quarters / 4
    most = limits(book, hours, SPLIT, 0.05)
    best = max(sum(one.worth for one in plan) for plan in plans(book) if is_allowed(plan, hours, most))
    found = solve(book, hours, SPLIT, 0.05)
    assert found.value == pytest.approx(best)
    assert is_allowed(found.chosen, hours, most)
    assert len({one.account_id for one in found.chosen}) == len(found.chosen)
    assert found.gap == 0
    assert sum(one.worth for one in compare.by_risk(book, hours, SPLIT, 0.05)) <= best + 1e-9
    assert max(compare.at_random(book, hours, SPLIT, 0.05)) <= best + 1e-9


@settings(max_examples=60, deadline=None)
@given(books(), st.integers(0, 20), st.integers(0, 8))
def test_more_hours_never_make_a_plan_worth_less(book, hours, more):
    before = limits(book, hours, SPLIT, 0.05)
    after = limits(book, hours + more, SPLIT, 0.05)
    assert all(after[level] >= before[level] - 1e-9 for level in SPLIT)
    assert solve(book, hours + more, SPLIT, 0.05).value >= solve(book, hours, SPLIT, 0.05).value - 1e-6


def test_a_plan_lies_just_below_the_bound_of_its_relaxation():
    rng = np.random.default_rng(3)
    levels = rng.choice(["high", "medium", "low"], 300)
    book = [choice(f"A{i}", levels[i], rng.integers(1, 9) / 4, rng.uniform(1, 900)) for i in range(300)]
    most = limits(book, 40.0, SPLIT, 0.05)
    spent = np.array([one.hours for one in book])
    rows = np.array([spent, *(spent * (levels == level) for level in most)])
    relaxed = linprog([-one.worth for one in book], A_ub=rows, b_ub=[40.0, *most.values()], bounds=(0, 1))
    found = solve(book, 40.0, SPLIT, 0.05)
    dearest = max(one.worth for one in book)
    assert -relaxed.fun - 4 * dearest <= found.value <= -relaxed.fun + 1e-6  # one account a limit is split at most


@pytest.mark.system("P10")
@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        pytest.param((100, 100, 100), (5.0, 3.0, 2.0), id="enough to do everywhere: as split"),
        pytest.param((1, 100, 100), (1.0, 5.4, 3.6), id="what high risk cannot use goes to the others, 3 to 2"),
        pytest.param((1, 2, 100), (1.0, 2.0, 7.0), id="two levels cannot use theirs"),
        pytest.param((0, 0, 4), (0.0, 0.0, 4.0), id="more hours than work"),
    ],
)
def test_hours_go_by_the_split_and_what_is_left_over_to_levels_with_work(wanted, given):
    book = [choice(level, level, hours) for level, hours in zip(SPLIT, wanted, strict=True) if hours]
    assert tuple(limits(book, 10.0, SPLIT, 0.0).values()) == pytest.approx(given)


def test_leeway_lets_a_level_take_more_than_its_share():
    book = [choice(f"{level}{i}", level, 1.0) for level in SPLIT for i in range(20)]
    assert limits(book, 10.0, SPLIT, 0.1) == pytest.approx({"high": 6.0, "medium": 4.0, "low": 3.0})


def test_two_small_plays_are_taken_before_one_that_is_worth_more_alone():
    book = [choice("big", hours=2.0, worth=100), choice("one", worth=60), choice("two", worth=60)]
    assert {one.account_id for one in solve(book, 2.0, NO_SPLIT, 0.0).chosen} == {"one", "two"}


def test_the_interval_of_a_plan_lets_all_effects_err_the_same_way():
    told = compare.total([choice("A", worth=100, cost=20), choice("B", worth=50)])
    assert (told.value, told.low, told.high) == pytest.approx((150, -20, 320))
    assert compare.total([]) == Figure(0, 0, 0, 0)


def test_an_effect_without_an_interval_counts_as_it_is():
    told = compare.total([replace(choice("A", worth=100), effect=Figure(0.1))])
    assert (told.low, told.high) == pytest.approx((100, 100))
