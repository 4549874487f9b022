"""The book's health and what became of it, from rows that can be counted by hand."""

import numpy as np
import pytest

from retention.figures import Figure
from retention.health import book, chapter, decision_inputs, leading, outcomes, use


def score(account, as_of, tier, health, **more):
    return {"account_id": account, "as_of": as_of, "tier": tier, "health_score": health} | more


def term(account, started="2023-01-01", ended=None, **more):
    return {"account_id": account, "started_at": started, "ended_at": ended, "mrr": 100.0} | more


PROGRAMME = "[programme]\nfewest = 1"
GREEN, RED = ("green", 80.0), ("red", 20.0)


@pytest.mark.system("R16")
def test_the_book_by_tier_is_shares_of_each_run(measured):
    kept = {"score_history": [score(n, "2024-11-01", *(RED if n == "a" else GREEN)) for n in "abcd"]}
    block = book.distribution(measured(kept=kept))
    assert [(row["tier"], row["share"].value) for row in block.as_dicts()] == [("red", 0.25), ("green", 0.75)]


@pytest.mark.system("R6", "A11", "A9")
def test_value_at_risk_adds_up_over_accounts_and_has_the_interval_of_independent_losses(measured):
    worth = [("a", 0.5, 1000.0), ("b", 0.1, 4000.0), ("c", 0.0, 500.0)]
    history = [
        score(n, "2024-11-01", *RED, churn_probability=p, yearly_value=v, value_at_risk=p * v) for n, p, v in worth
    ]
    inputs = measured(kept={"score_history": history})
    block, figures = book.at_risk(inputs)
    assert figures["at_risk_accounts"].value == 3
    assert figures["value_at_risk"].value == pytest.approx(900)
    assert sum(book.losses_to_expect(inputs).column("value_at_risk")) == pytest.approx(figures["value_at_risk"].value)
    assert book.losses_to_expect(inputs).column("account_id") == ["a", "b", "c"]
    rng = np.random.default_rng(0)
    p, v = np.array([w[1] for w in worth]), np.array([w[2] for w in worth])
    lost = (rng.random((200_000, 3)) < p) @ v
    assert (figures["value_at_risk"].high - 900) / 1.96 == pytest.approx(lost.std(), rel=0.02)
    assert block.column("value")[0] == figures["value_at_risk"]


@pytest.mark.system("R7")
def test_conversion_counts_accounts_whose_window_has_closed(measured):
    toml = '[churn]\nkind = "contract"\nhorizon_days = 28\n[snapshots]\nevery_days = 28'
    terms = [term("a", ended="2024-11-10"), term("b"), term("c", ended="2024-12-28"), term("d")]
    history = [
        score("a", "2024-11-01", *RED),
        score("b", "2024-11-01", *RED),
        score("c", "2024-11-01", *RED),
        score("d", "2024-11-01", *GREEN),
        score("d", "2024-12-20", *RED),
    ]
    inputs = measured(subscriptions=terms, kept={"score_history": history}, toml=toml, rules=PROGRAMME)
    found = {row["tier"]: row["lost"] for row in outcomes.conversion(inputs).as_dicts()}
    assert (found["red"].value, found["red"].n) == (pytest.approx(1 / 3), 3)
    assert (found["green"].value, found["green"].n) == (0.0, 1)


@pytest.mark.system("R15", "R12")
def test_time_to_risk_and_from_risk_to_lost(measured):
    days = {"a": ("2024-01-01", "2024-01-11"), "b": ("2024-01-01", "2024-01-31"), "c": ("2024-01-01", "2024-03-01")}
    history = [score(n, at, *kind) for n, pair in days.items() for at, kind in zip(pair, (GREEN, RED), strict=True)]
    terms = [term("a", ended="2024-01-31"), term("b", ended="2024-03-01"), term("c")]
    inputs = measured(subscriptions=terms, kept={"score_history": history})
    rows = {row["way"]: row for row in outcomes.time_to_risk(inputs).as_dicts()}
    assert (rows["green to red"]["median"].value, rows["green to red"]["events"]) == (30.0, 3)
    assert (rows["red to lost"]["median"].value, rows["red to lost"]["events"], rows["red to lost"]["accounts"]) == (
        30.0,
        2,
        3,
    )


@pytest.mark.system("R12")
def test_an_account_that_recovered_does_not_count_as_on_the_way_to_lost(measured):
    history = [score("a", "2024-01-01", *RED), score("a", "2024-01-21", *GREEN)]
    inputs = measured(subscriptions=[term("a", ended="2024-06-01")], kept={"score_history": history})
    row = outcomes.time_to_risk(inputs).as_dicts()[1]
    assert (row["events"], row["accounts"], row["median"].value) == (0, 1, None)


@pytest.mark.system("R7", "H6")
def test_lost_accounts_are_looked_up_as_they_stood_before(measured):
    history = [score("a", "2024-09-01", *GREEN), score("a", "2024-10-20", *RED), score("b", "2024-10-20", *GREEN)]
    terms = [term("a", ended="2024-12-01"), term("b", ended="2024-12-01"), term("c")]
    inputs = measured(subscriptions=terms, kept={"score_history": history}, rules=PROGRAMME)
    rows = {row["days"]: row for row in outcomes.seen_before(inputs).as_dicts()}
    assert (rows[30]["tier_red"].value, rows[30]["tier_green"].value) == (0.5, 0.5)
    assert (rows[90]["tier_red"].value, rows[90]["tier_green"].n) == (0.0, 1)


@pytest.mark.system("R11")
@pytest.mark.parametrize(
    ("moved", "good", "said"),
    [
        (Figure(1.0, 9, 0.5, 1.5), "up", "better"),
        (Figure(1.0, 9, 0.5, 1.5), "down", "worse"),
        (Figure(-1.0, 9, -1.5, -0.5), "down", "better"),
        (Figure(0.1, 9, -0.5, 0.7), "up", "unclear"),
        (Figure(0.1, 1), "up", "unclear"),
    ],
)
def test_a_direction_is_clear_when_the_interval_leaves_zero_out(moved, good, said):
    assert leading.verdict(moved, good) == said


@pytest.mark.system("R11", "R18")
def test_indicators_compare_accounts_with_themselves(measured):
    usage = [
        *({"account_id": "a", "at": "2024-08-01", "event": "e"} for _ in range(2)),
        *({"account_id": "a", "at": "2024-12-01", "event": "e"} for _ in range(5)),
        *({"account_id": "b", "at": "2024-12-01", "event": "e"} for _ in range(90)),
    ]
    terms = [term("a"), term("b", started="2024-11-01"), term("c")]
    block = leading.directions(measured(usage=usage, subscriptions=terms))
    row = {r["indicator"]: r for r in block.as_dicts()}["Usage events"]
    assert (row["before"].value, row["now"].value, row["change"].value, row["change"].n) == (1.0, 2.5, 1.5, 2)


@pytest.mark.system("R18")
def test_use_by_month_is_over_the_customers_of_the_month(measured):
    usage = [
        {"account_id": "a", "at": "2024-10-05", "event": "e"},
        *({"account_id": "a", "at": f"2024-11-{day:02}", "event": event} for day in (1, 1, 9) for event in "ef"),
        {"account_id": "b", "at": "2024-11-05", "event": "e"},
        {"account_id": "b", "at": "2024-12-31", "event": "e"},
    ]
    terms = [term("a"), term("b"), term("c", ended="2024-11-30"), term("d", started="2024-12-01")]
    rows = use.by_month(measured(usage=usage, subscriptions=terms)).as_dicts()
    assert [f"{row['month']:%Y-%m}" for row in rows] == ["2024-11", "2024-12"]
    assert [(row["active"].value, row["active"].n) for row in rows] == [
        (pytest.approx(2 / 3), 3),
        (pytest.approx(1 / 3), 3),
    ]
    assert (rows[0]["days"].value, rows[0]["kinds"].value) == (1.5, 1.5)


@pytest.mark.system("X23", "X6", "X16")
def test_the_five_inputs_of_a_decision_have_numbers_age_owner_and_coverage(measured):
    usage = [
        *({"account_id": "a", "at": "2024-12-20", "event": f"e{i}"} for i in range(4)),
        *({"account_id": "b", "at": "2024-12-25", "event": f"e{i}"} for i in range(4)),
        {"account_id": "c", "at": "2024-12-20", "event": "e0"},
        {"account_id": "d", "at": "2024-08-20", "event": "e0"},
    ]
    terms = [term(n, renews_at="2025-02-01") for n in "abcd"] + [term("e", ended="2024-12-05")]
    support = [
        {"account_id": "a", "ticket_id": "1", "opened_at": "2024-12-30", "resolved_at": "2025-02-01", "topic": "x"},
        {"account_id": "a", "ticket_id": "2", "opened_at": "2024-12-30", "resolved_at": "2024-12-31", "topic": None},
    ]
    churns = [{"account_id": "e", "at": "2024-12-05", "reason": "price", "row_id": "1"}]
    inputs = measured(usage=usage, subscriptions=terms, support=support, churns=churns)
    rows = {row["input"].split(":")[0]: row for row in decision_inputs.block(inputs).as_dicts()}
    assert {name: row["now"] for name, row in rows.items()} == {
        "Cancellation reasons told": 1,
        "Usage drops": 1,
        "Support backlog": 1,
        "Adoption gaps": 1,
        "Renewal timing": 4,
    }
    backlog = rows["Support backlog"]
    assert (backlog["owner"], backlog["age_days"], backlog["filled"], backlog["before"]) == ("support", 2, 0.5, 0)
    assert rows["Cancellation reasons told"]["filled"] == 1.0


def test_a_company_without_runs_or_sources_is_told_what_is_missing(measured):
    found = chapter(measured())
    assert found.not_measured[0].startswith("health, tiers and value at risk over time")
    assert any(line.startswith("Renewal timing") for line in found.not_measured)
