"""Recurring issues, five areas of evidence, sales sources, and the five stages."""

from datetime import datetime, timedelta

import pytest
from scipy.stats import fisher_exact

from retention.reasons import evidence, issues, loop, losses, sale, traces
from retention.reasons.causes import Vocabulary

TOLD = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01'
FEW = "[programme]\nfewest = 1"


def ticket(n, account, topic, opened="2024-11-01", resolved="2024-11-03", reopened=0):
    row = {"ticket_id": f"t{n}", "account_id": account, "opened_at": opened, "topic": topic, "reopened": reopened}
    return row | {"resolved_at": resolved, "known_at": resolved or opened}


@pytest.mark.system("A8")
def test_issues_that_come_back_are_registered(measured, stayer, leaver):
    tickets = [
        *[ticket(i, "a", "export is slow") for i in range(3)],
        *[ticket(10 + i, "b", "export is slow", resolved=None) for i in range(2)],
        ticket(20, "c", "export is slow"),
        ticket(21, "c", "billing"),
        ticket(22, "c", "billing", opened="2023-11-01", resolved="2023-11-02"),
    ]
    inputs = measured(
        toml=TOLD,
        rules=FEW,
        subscriptions=[leaver("a", "2024-12-01"), stayer("b"), stayer("c")],
        support=tickets,
        kept={"score_history": [{"account_id": "b", "as_of": "2024-12-30", "yearly_value": 500.0}]},
    )
    slow, billing = issues.register(inputs, Vocabulary(inputs.house.causes)).rows
    assert slow[:6] == ("export is slow", "Product or technical: Performance", 6, 3, 2, 2)
    assert (slow[6].value, slow[6].n, slow[7]) == (0.5, 2, 500.0)
    assert billing[:6] == ("billing", "Economic: Price", 1, 1, 0, 0)


@pytest.mark.system("G6", "G3")
def test_five_areas_are_shown_as_of_now_and_a_year_before(measured, stayer, leaver):
    def use(account, *days):
        return [{"account_id": account, "at": day} for day in days]

    weekly = [(datetime(2024, 12, 5) + timedelta(days=7 * i)).isoformat() for i in range(4)]
    terms = [
        stayer("new", "2024-10-01") | {"renews_at": "2025-10-01"},
        stayer("idle", "2024-09-01") | {"renews_at": "2024-12-15"},
        leaver("gone", "2024-12-01") | {"renews_at": "2024-12-01"},
        stayer("old", "2021-01-01") | {"renews_at": "2024-12-20"},
    ]
    inputs = measured(
        toml=TOLD,
        rules=FEW,
        subscriptions=terms,
        usage=[*use("new", "2024-10-05", *weekly), *use("idle", "2024-12-30"), *use("old", "2023-01-01")],
        support=[
            ticket(1, "new", "x"),
            ticket(2, "new", "x", reopened=1),
            ticket(3, "old", "x", resolved="2024-11-20"),
        ],
        touchpoints=[{"account_id": "new", "at": "2024-12-01", "kind": "meeting"}],
    )
    rows = {row[0]: (row[2], row[3]) for row in evidence.areas(inputs).rows}
    now = {area: (figure.value, figure.n) for area, (figure, _) in rows.items()}
    assert now == {
        "Onboarding quality": (0.5, 2),
        "Value realisation": (1 / 3, 3),
        "Support reliability": (1 / 3, 3),
        "Relationship health": (1 / 3, 3),
        "Renewal economics": (2 / 3, 3),
    }
    assert rows["Value realisation"][1].n == 2, "a year before only the old and the gone one were customers"


@pytest.mark.system("P12")
def test_early_losses_are_held_against_where_customers_were_sold(measured, stayer, leaver):
    partner = [
        leaver(f"p{i}", "2024-01-01", "no value seen" if i < 3 else "price", since="2023-06-01") for i in range(6)
    ]
    direct = [
        leaver("d0", "2024-01-01", "price"),
        *[stayer(f"d{i}") for i in range(1, 12)],
        stayer("young", "2024-11-01"),
    ]
    terms = [*partner, *direct]
    accounts = [
        {"account_id": row["account_id"], "started_at": row["started_at"]}
        | {"source": "partner" if row["account_id"][0] == "p" else "direct"}
        for row in terms
    ]
    inputs = measured(toml=TOLD, rules=FEW, subscriptions=terms, accounts=accounts)
    words = Vocabulary(inputs.house.causes)
    traces.make(inputs)
    assert sale.attributes(inputs) == ("source",)
    rows = {row[1]: row[2:] for row in sale.by_source(inputs, losses.read(inputs, words), words).rows}
    assert [(figure.value, figure.n) for figure in rows["partner"][:2]] == [(1.0, 6), (0.5, 6)]
    assert [(figure.value, figure.n) for figure in rows["direct"][:2]] == [(1 / 12, 12), (0.0, 12)]
    assert rows["partner"][2] == pytest.approx(fisher_exact([[6, 0], [1, 11]]).pvalue)


@pytest.mark.system("P11")
def test_the_five_stages_have_an_artefact_each(measured, stayer):
    kept = {
        "score_history": [
            {"account_id": "a", "as_of": "2024-12-01", "risk_level": "high"},
            {"account_id": "b", "as_of": "2024-12-08", "risk_level": "low"},
        ],
        "driver_history": [{"account_id": "a", "as_of": "2024-12-08", "driver": "budget"}],
        "check_history": [{"account_id": "a", "item": "cause.value", "at": "2024-12-09", "is_done": True}],
    }
    plays = [{"account_id": "a", "at": "2024-12-02", "play": "rescue"}]
    inputs = measured(toml=TOLD, subscriptions=[stayer("a")], interventions=plays, kept=kept)
    rows = loop.loop(inputs).rows
    assert [(row[0], row[3], str(row[4])[:10]) for row in rows] == [
        ("Identify risk early", 2, "2024-12-08"),
        ("Understand drivers", 1, "2024-12-08"),
        ("Prioritise effort", 1, "2024-12-01"),
        ("Measure the effect", 1, "2024-12-02"),
        ("Optimise over time", 1, "2024-12-09"),
    ]
