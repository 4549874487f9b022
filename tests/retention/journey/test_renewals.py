"""The countdown, what is hidden, and how past renewals ended."""

import pytest

from retention.journey.expansion import expansion, goals, intents, upgrade_intent
from retention.journey.renewals import coverage, outcomes, renewals

GREEN = {"tier": "green", "health_score": 80.0, "yearly_value": 1200.0, "risk_level": "low"}


def _scored(*accounts, **more):
    return {"score_history": [{"account_id": a, "as_of": "2024-12-30", **GREEN, **more} for a in accounts]}


@pytest.mark.system("S11", "M1", "P6")
def test_the_countdown_names_the_narrowest_window_and_the_day_it_was_entered(looked, term):
    book = looked(
        "2025-01-01",
        subscriptions=[
            term("in_30", "2024-01-31", days=366),
            term("in_31", "2024-02-01", days=366),
            term("in_90", "2024-03-31", days=366),
            term("in_91", "2024-04-01", days=366),
            term("monthly", "2024-12-15", days=31),
        ],
    )
    told = [(r["account_id"], r["days_to_renewal"], r["window"], f"{r['entered_at']:%Y-%m-%d}")
            for r in renewals(book).as_dicts()]  # fmt: skip
    assert told == [
        ("in_30", 30, 30, "2025-01-01"),
        ("in_31", 31, 90, "2024-11-03"),
        ("in_90", 90, 90, "2025-01-01"),
    ]


@pytest.mark.system("S11")
def test_green_with_something_wrong_is_a_hidden_risk(looked, term, uses):
    book = looked(
        "2025-01-01",
        subscriptions=[term("well", "2024-02-01"), term("lost_champion", "2024-02-01")],
        usage=[row for a in ("well", "lost_champion") for row in uses(a, ["2024-12-05", "2024-12-20"])],
        touchpoints=[
            {"account_id": "lost_champion", "at": "2024-12-20", "kind": "champion_left"},
            {"account_id": "well", "at": "2024-12-20", "kind": "executive"},
            {"account_id": "lost_champion", "at": "2024-12-21", "kind": "meeting"},
        ],
        rules='remove = ["hidden_risks.one_person"]\n',
        kept=_scored("well", "lost_champion"),
    )
    told = {r["account_id"]: (r["is_hidden"], r["risks"], r["decision_makers"]) for r in renewals(book).as_dicts()}
    assert told == {"well": (False, "", True), "lost_champion": (True, "the champion left", False)}


@pytest.mark.system("P6")
def test_decision_maker_coverage_is_the_share_that_an_executive_met(looked, term):
    names = [f"a{i}" for i in range(5)]
    book = looked(
        "2025-01-01",
        subscriptions=[term(name, "2024-02-01") for name in names],
        touchpoints=[
            {"account_id": "a0", "at": "2024-06-01", "kind": "executive"},
            {"account_id": "a1", "at": "2023-12-01", "kind": "executive"},  # longer than a year ago
        ],
    )
    row = coverage(book).as_dicts()[1]
    assert (row["renewals"], row["decision_makers"].value, row["decision_makers"].n) == (5, 0.2, 5)


@pytest.mark.system("S13")
def test_lost_and_won_renewals_are_laid_to_the_first_stage_missed(looked, term, uses):
    def renewed(account):
        return [term(account, "2023-06-01", ended_at="2024-06-01"), term(account, "2024-06-01")]

    lost = [term(account, "2023-06-01", ended_at="2024-06-01") for account in ("no_value", "no_habit")]
    weeks = ["2023-06-05", "2023-06-12", "2023-06-19", "2023-06-26"]
    three = ["login", "search", "export"]
    book = looked(
        "2025-01-01",
        subscriptions=[*renewed("won"), *renewed("kept"), *lost, term("z", "2024-12-01")],
        usage=[
            *uses("z", ["2023-05-01"]),
            *uses("won", weeks, three),
            *uses("kept", weeks, three),
            *uses("no_value", weeks, ["login"]),
            *uses("no_habit", weeks[:1], three),
        ],
        touchpoints=[{"account_id": "won", "at": "2024-01-01", "kind": "executive"}],
    )
    assert {r["stage"]: (r["won"], r["lost"]) for r in outcomes(book).as_dicts()} == {
        "onboarding: no first value": (0, 1),
        "adoption: never engaged": (0, 1),
        "renewal: no executive met in the year before": (1, 0),
        "none of these": (1, 0),
    }


def _seats(uses, account, people):
    return [row for i in range(people) for row in uses(account, ["2024-12-20"], ["login", "search", "export"], f"u{i}")]


@pytest.mark.system("S7", "A13", "G4")
def test_expansion_needs_a_signal_health_and_value(looked, term, uses):
    names = ["at_80", "at_79", "ill", "no_goal"]
    book = looked(
        "2025-01-01",
        subscriptions=[term(name, "2024-06-01", seats=10 if name != "at_79" else 100) for name in names],
        usage=[row for name in names for row in _seats(uses, name, 79 if name == "at_79" else 8)],
        kept={
            "score_history": [
                {"account_id": name, "as_of": "2024-12-30", **GREEN, "health_score": 60.0 if name == "ill" else 70.0}
                for name in names
            ],
            "fact_history": [
                {"account_id": name, "name": "goal_attainment", "at": "2024-12-01", "value": value}
                for name, value in zip(names, [0.7, 0.7, 0.7, 0.4], strict=True)
            ],
        },
    )  # fmt: skip
    told = {r["account_id"]: (r["is_ready"], r["seat_use"], r["missing"]) for r in expansion(book, {}).as_dicts()}
    assert told.keys() == {"at_80", "ill", "no_goal"}
    assert told["at_80"] == (True, 0.8, "")
    assert told["ill"] == (False, 0.8, "health score is 60, at least 70 asked")
    assert told["no_goal"][0] is False
    assert "goal attainment is 0.4, at least 0.7 asked" in told["no_goal"][2]
    assert expansion(book, {}).column("account_id")[0] == "at_80", "who is ready comes first"


@pytest.mark.system("S8")
def test_upgrade_intent_is_counted_by_the_events_the_company_names(looked, term, uses):
    rules = '[expansion]\nupgrade_events = ["locked_opened"]\n'
    book = looked(
        "2025-01-01",
        rules=rules,
        subscriptions=[term("a", "2024-06-01"), term("b", "2024-06-01")],
        usage=[
            *uses("a", ["2024-12-20", "2024-12-28"], ["locked_opened"]),
            *uses("b", ["2024-11-01"], ["locked_opened"]),
            *uses("b", ["2024-12-20"], ["login"]),
        ],
    )  # fmt: skip
    told = upgrade_intent(book, intents(book)).as_dicts()
    assert [(r["account_id"], r["times"], f"{r['last_at']:%m-%d}") for r in told] == [("a", 2, "12-28")]
    assert expansion(book, intents(book)).column("signal") == ["tried locked_opened"]


@pytest.mark.system("S6")
def test_goals_are_the_newest_told_by_the_moment(looked, term):
    def told(value, at):
        return {"account_id": "a", "name": "goal_attainment", "value": value, "at": at}

    words = [told(0.3, "2024-05-01"), told(0.8, "2024-12-01"), told(0.1, "2025-02-01")]
    words.append({"account_id": "a", "name": "strategic", "value": 1.0, "at": "2024-12-30"})
    rows = {"subscriptions": [term("a", "2024-03-01"), term("b", "2024-03-01")], "kept": {"fact_history": words}}
    assert goals(looked("2025-01-01", **rows)).column("goal_attainment") == [0.8]
    assert goals(looked("2024-06-01", **rows)).column("goal_attainment") == [0.3]
    taken_back = [*words, told(None, "2024-12-20")]
    rows["kept"] = {"fact_history": taken_back}
    assert goals(looked("2025-01-01", **rows)).rows == ()
