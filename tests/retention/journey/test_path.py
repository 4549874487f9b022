"""Milestones and the path: when each was reached, how long a step takes, who is stuck."""

from datetime import datetime

import pytest

from retention.journey.path import milestones, steps, stuck, time_to_value
from retention.journey.way import threshold, ways

DAYS = [f"2024-03-{day:02d}" for day in range(1, 31)]


def _on(book, account, milestone):
    at = book.customer(account).reached.get(milestone)
    return at and f"{at:%m-%d}"


@pytest.mark.system("S2")
def test_a_milestone_is_reached_when_enough_different_things_were_counted(looked, term, uses):
    book = looked(
        subscriptions=[term("a", "2024-03-01")],
        usage=[
            *uses("a", ["2024-03-02"], ["login"]),
            *uses("a", ["2024-03-03"], ["login", "search"], user="u2"),
            *uses("a", ["2024-03-05"], ["export"], user="u2"),
            *uses("a", ["2024-03-09"], ["login"], user="u3"),
        ],
    )
    assert _on(book, "a", "first_use") == "03-02"
    assert _on(book, "a", "first_value") == "03-05", "the third different feature"
    assert _on(book, "a", "people") == "03-09", "the third person"
    assert _on(book, "a", "engaged") is None


@pytest.mark.system("S4")
def test_engaged_is_three_core_features_a_week_four_weeks_running(looked, term, uses):
    mondays = ["2024-03-04", "2024-03-11", "2024-03-18", "2024-03-25"]
    three = ["login", "search", "export"]
    book = looked(
        "2024-04-02",
        subscriptions=[term("a", "2024-03-01"), term("gap", "2024-03-01"), term("two", "2024-03-01")],
        usage=[
            *uses("a", mondays, three),
            *uses("gap", [*mondays[:2], mondays[3]], three),
            *uses("two", mondays, three[:2]),
        ],
    )
    assert _on(book, "a", "engaged") == "03-25"
    assert [_on(book, name, "engaged") for name in ("gap", "two")] == [None, None]
    assert [book.customer(name).number("is_engaged") for name in ("a", "gap", "two")] == [1, 0, 0]


@pytest.mark.system("S4")
def test_engaged_lapses_and_the_date_stays(looked, term, uses):
    mondays = ["2024-03-04", "2024-03-11", "2024-03-18", "2024-03-25"]
    rows = {"subscriptions": [term("a", "2024-03-01")], "usage": uses("a", mondays, ["login", "search", "export"])}
    later = looked("2024-05-07", **rows)
    assert later.customer("a").number("is_engaged") == 0
    assert _on(later, "a", "engaged") == "03-25"


def test_a_company_names_the_events_of_a_milestone(looked, term, uses):
    rules = '[milestones.first_value]\ntitle = "First report"\nnames = ["report"]\nwithin_days = 14\n'
    book = looked(
        rules=rules,
        subscriptions=[term("a", "2024-03-01")],
        usage=[*uses("a", ["2024-03-02"], ["login"]), *uses("a", ["2024-03-08"], ["report"])],
    )
    assert _on(book, "a", "first_value") == "03-08"


@pytest.mark.system("L1", "L3")
def test_activation_of_a_shopper_is_the_second_visit(looked, uses):
    book = looked(
        "2024-06-01",
        toml='[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 60\n',
        usage=[*uses("old", ["2024-01-01", "2024-02-20", "2024-04-10", "2024-05-20"]),
               *uses("twice", ["2024-05-01", "2024-05-11"]), *uses("once", ["2024-05-02"], ["milk", "bread"])],
    )  # fmt: skip
    assert _on(book, "twice", "second_order") == "05-11"
    assert _on(book, "once", "second_order") is None
    found = ways(book)
    assert [way.account_id for way in found] == ["once", "twice"], "of `old` the data may not show the beginning"
    told = {row["milestone"]: row for row in milestones(book, found).as_dicts()}
    assert told["second_order"]["reached"] == 1
    assert told["first_order"]["reached"] == 2


def _company(term, uses, days_to_value):
    """Accounts a0, a1, ... that take so many days to the first value, None for never; all use it on day 1."""
    subscriptions = [term(f"a{i:02d}", "2024-03-01") for i in range(len(days_to_value))]
    usage = [row for i in range(len(days_to_value)) for row in uses(f"a{i:02d}", ["2024-03-01"], ["login"])]
    for i, day in enumerate(days_to_value):
        if day is not None:
            usage += uses(f"a{i:02d}", [DAYS[day]], ["search", "export"])
    return {"subscriptions": subscriptions, "usage": [*uses("zero", ["2024-01-01"]), *usage]}


@pytest.mark.system("S3")
def test_stuck_is_longer_in_a_step_than_nine_in_ten_of_those_who_got_through(looked, term, uses):
    days = [*range(1, 21), None]  # 1 to 20 days in the step; the last never left it
    book = looked("2024-03-25", rules=None, **_company(term, uses, days))
    found = ways(book)
    limit, why = threshold(book, found, 1)
    assert limit == pytest.approx(18.1, abs=0.01)
    assert why == "learned from 20"
    told = stuck(book, found).as_dicts()
    assert [(row["account_id"], row["step"], row["days"]) for row in told] == [("a20", "first_value", 23)]
    earlier = looked("2024-03-19", **_company(term, uses, days))
    assert stuck(earlier, found).rows == (), "18 days are not longer than 18.1"


@pytest.mark.system("S3")
def test_a_set_threshold_comes_first_and_few_cases_teach_nothing(looked, term, uses):
    rows = _company(term, uses, [2, 4, None])
    book = looked("2024-03-25", **rows)
    assert threshold(book, ways(book), 1) == (30, "within_days (only 2 to learn from)")
    rules = '[milestones.first_value]\ntitle = "V"\ncounted = "names"\nat_least = 3\nwithin_days = 30\nstuck_days = 5\n'
    book = looked("2024-03-25", rules=rules, **rows)
    assert threshold(book, ways(book), 1) == (5, "set")
    assert stuck(book, ways(book)).column("account_id") == ["a02"]


@pytest.mark.system("S3")
def test_a_shopper_who_is_not_regular_is_not_stuck_in_setup(looked, uses):
    toml = '[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 60\n'
    usage = uses("old", ["2024-01-01", "2024-02-20", "2024-04-10", "2024-05-25"])
    usage += [*uses("twice", ["2024-04-05", "2024-04-20", "2024-05-30"]), *uses("once", ["2024-04-15"])]
    book = looked("2024-06-01", toml=toml, usage=usage)
    told = stuck(book, ways(book)).as_dicts()
    assert [(row["account_id"], row["step"]) for row in told] == [("once", "second_order")]


@pytest.mark.system("L3")
def test_who_left_in_a_step_dropped_off_there(looked, term, uses):
    rows = _company(term, uses, [2, 3, 4, None, None, None])
    for row in rows["subscriptions"][4:]:
        row["ended_at"] = datetime(2024, 4, 1)
    book = looked("2024-06-01", toml='[churn]\nobserved_until = "2024-06-01"\n', **rows)
    told = {row["step"]: row for row in steps(book, ways(book)).as_dicts()}
    assert [told["first_value"][name] for name in ("entered", "through", "lost")] == [6, 3, 2]
    assert told["first_value"]["dropped"].value == pytest.approx(2 / 6)
    assert told["people"]["entered"] == 3


@pytest.mark.system("S2", "P3")
def test_time_to_value_counts_only_those_who_had_the_time(looked, term, uses):
    rows = _company(term, uses, [2, 3, 20, None, 5, 6])
    rows["subscriptions"].append(term("fresh", "2024-03-28"))
    cells = time_to_value(book := looked("2024-04-01", **rows), ways(book)).as_dicts()[0]
    assert (cells["week"].value, cells["week"].n) == (pytest.approx(4 / 6), 6)
    assert (cells["month"].value, cells["month"].n) == (pytest.approx(5 / 6), 6)
    assert cells["quarter"].value is None, "nobody is a customer for 90 days yet"
