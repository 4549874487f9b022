"""In which stage a customer is: exactly one, by the rules of its business model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention import house
from retention.errors import RetentionError
from retention.journey.book import stage_of
from retention.journey.stages import accounts, stages

RULES = house.load().stages
OLD = {"age_days": 800, "has_engaged": 1}
NAMES = sorted({name for rules in RULES.values() for rule in rules if rule.when for name in rule.when.names})


@pytest.mark.system("S1")
@pytest.mark.parametrize(
    ("numbers", "stage"),
    [
        pytest.param({"age_days": 0}, "onboarding", id="first day"),
        pytest.param({"age_days": 90, "has_engaged": 1}, "onboarding", id="day 90"),
        pytest.param({"age_days": 91, "has_engaged": 1}, "adoption", id="day 91"),
        pytest.param({"age_days": 365, "has_engaged": 1}, "adoption", id="month 12"),
        pytest.param({"age_days": 366, "has_engaged": 1}, "expansion", id="month 13 is year 2"),
        pytest.param({"age_days": 366, "has_engaged": 0}, "adoption", id="year 2, never engaged"),
        pytest.param({"age_days": 800, "days_to_renewal": 90, "term_days": 365, "has_engaged": 1}, "renewal", id="90"),
        pytest.param(
            {"age_days": 800, "days_to_renewal": 91, "term_days": 365, "has_engaged": 1}, "expansion", id="91"
        ),
        pytest.param(
            {"age_days": 800, "days_to_renewal": 9, "term_days": 31, "has_engaged": 1}, "expansion", id="month"
        ),
    ],
)
def test_a_saas_customer_is_in_the_stage_of_its_day_and_renewal(numbers, stage):
    assert stage_of(RULES["saas"], numbers) == stage


@pytest.mark.system("S1", "M2")
@pytest.mark.parametrize(
    ("model", "numbers", "stage"),
    [
        pytest.param("b2b", {"nps_last": 8, "days_since_last_answer": 20}, "act", id="a passive is acted on"),
        pytest.param("b2b", {"nps_last": 10, "days_since_last_answer": 20, "health_score": 49}, "act", id="at risk"),
        pytest.param("b2b", {"nps_last": 8, "days_since_last_answer": 200}, "measure", id="said long ago"),
        pytest.param("b2b", {}, "measure", id="nobody asked"),
        pytest.param("b2b", {"nps_last": 9, "days_since_last_answer": 20, "health_score": 50}, "grow", id="promoter"),
        pytest.param("b2c", {"has_second_order": 0}, "activation", id="bought once"),
        pytest.param("b2c", {"has_second_order": 1}, "retention", id="bought twice"),
        pytest.param("b2c", {"has_second_order": 1, "is_advocate": 1}, "referral", id="buys often"),
    ],
)
def test_each_business_model_has_stages_of_its_own(model, numbers, stage):
    assert stage_of(RULES[model], numbers) == stage


@given(
    model=st.sampled_from(sorted(RULES)),
    numbers=st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats(-10, 2000)),
)
def test_every_customer_is_in_exactly_one_stage_whatever_is_known(model, numbers):
    names = {rule.name for rule in RULES[model]}
    holding = [rule for rule in RULES[model] if rule.when is None or rule.when.holds(numbers)]
    assert stage_of(RULES[model], numbers) == holding[0].name
    assert stage_of(RULES[model], numbers) in names


@pytest.mark.system("S1")
def test_stages_are_counted_over_current_customers(looked, term, uses):
    book = looked(
        subscriptions=[
            term("new", "2024-12-01"),
            term("young", "2024-06-01"),
            term("due", "2024-02-01"),
            term("gone", "2023-01-01", ended_at="2023-06-01"),
        ],
        usage=uses("new", ["2024-12-05"]),
    )
    assert {row[0]: row[1] for row in stages(book).rows} == {
        "onboarding": 1, "adoption": 1, "expansion": 0, "renewal": 1,
    }  # fmt: skip
    assert accounts(book).column("account_id") == ["due", "new", "young"]


@pytest.mark.system("G3")
def test_an_account_row_joins_use_support_and_contract(looked, term, uses):
    book = looked(
        subscriptions=[term("a", "2024-06-01", seats=4)],
        usage=[*uses("a", ["2024-12-20", "2024-12-21"]), *uses("a", ["2024-12-20"], user="u2")],
        support=[{"account_id": "a", "ticket_id": "t", "opened_at": "2024-12-30", "resolved_at": None}],
        kept={"score_history": [{"account_id": "a", "as_of": "2024-12-30", "health_score": 80.0, "tier": "green",
                                 "risk_level": "low", "yearly_value": 1200.0}]},
    )  # fmt: skip
    row = accounts(book).as_dicts()[0]
    told = {name: row[name] for name in ("users_28d", "seat_use", "active_days", "tickets_open", "days_to_renewal")}
    assert told == {"users_28d": 2, "seat_use": 0.5, "active_days": 2, "tickets_open": 1, "days_to_renewal": 151}
    assert (row["tier"], row["yearly_value"]) == ("green", 1200)


def test_rules_without_an_end_are_refused(tmp_path):
    path = tmp_path / "retention.toml"
    path.write_text('[stages]\nsaas = [{ name = "all", when.all = [{ feature = "age_days", at_most = 9 }] }]\n')
    with pytest.raises(RetentionError, match="the last rule, and no other, is without a condition"):
        house.load(path)


def test_an_item_that_names_no_milestone_is_refused(tmp_path):
    path = tmp_path / "retention.toml"
    path.write_text(
        '[phases.onboarding]\ntitle = "O"\nbusiness_models = ["saas"]\nfrom_day = 1\n'
        '[phases.onboarding.items]\nx = { title = "X", due_day = 1, milestone = "nothing" }\n'
    )
    with pytest.raises(RetentionError, match="'nothing' is no milestone"):
        house.load(path)
