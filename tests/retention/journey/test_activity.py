"""Silence: how soon it is noticed, what is little in a phase, and when it means trouble."""

from datetime import datetime, timedelta

import pytest

from retention.journey.activity import alerts, inactivity, silent, thresholds
from retention.journey.chapter import chapter
from retention.journey.low_use import low_lines, low_use
from retention.journey.triggers import rewards, triggers


def _runs(days, *accounts):
    return [{"account_id": a, "as_of": day, "tier": "green", "health_score": 80.0} for day in days for a in accounts]


@pytest.mark.system("S5")
def test_latency_is_from_the_crossing_to_the_first_run_at_which_the_warning_stood(looked, term, uses):
    book = looked(
        "2024-12-31",
        subscriptions=[term(a, "2024-06-01") for a in ("silent", "back", "busy", "early", "late")],
        usage=[
            *uses("silent", ["2024-12-05"]),  # crossed on 12-19, seen by the run of 12-22
            *uses("back", ["2024-12-02", "2024-12-18"]),  # crossed on 12-16, back before the run
            *uses("busy", ["2024-12-10", "2024-12-20", "2024-12-30"]),
            *uses("early", ["2024-11-01"]),  # crossed before the first run
            *uses("late", ["2024-12-16"]),  # crossed on 12-30, after the last run
        ],
        kept={
            "score_history": _runs(["2024-12-08", "2024-12-15", "2024-12-22", "2024-12-29"], "silent", "back"),
            "sign_history": [
                {"account_id": "silent", "rule": "W13", "at": "2024-12-22"},
                {"account_id": "silent", "rule": "W1", "at": "2024-12-19"},
                {"account_id": "back", "rule": "W13", "at": "2024-11-01", "closed_at": "2024-12-08"},
                {"account_id": "back", "rule": "W13", "at": "2024-12-29"},  # long after it was back
            ],
        },
        rules="[programme]\nfewest = 2\n",
    )
    row = alerts(book).as_dicts()[0]
    assert (row["crossed"], row["raised"].value, row["median_days"].value, row["worst_days"]) == (2, 0.5, 3, 3)
    told = [(r["account_id"], f"{r['crossed_at']:%m-%d}", r["latency_days"]) for r in silent(book).as_dicts()]
    assert told == [("silent", "12-19", 3), ("late", "12-30", None)]


@pytest.mark.system("P4")
def test_each_phase_has_a_line_of_its_own(looked, term, uses):
    days = [f"2024-12-{day:02d}" for day in range(5, 31)]
    young = [(f"y{i}", "2024-11-15", 2 * (i + 1)) for i in range(5)]  # 2, 4, 6, 8, 10 days of use
    old = [(f"o{i}", "2024-06-15", 4 * (i + 1)) for i in range(5)]  # 4, 8, 12, 16, 20
    book = looked(
        "2024-12-31",
        subscriptions=[term(name, start, days=3650) for name, start, _ in (*young, *old)],
        usage=[row for name, _, n in (*young, *old) for row in uses(name, days[:n])],
    )
    told = {row["phase"]: (row["customers"], row["line"], row["below"]) for row in low_lines(book).as_dicts()}
    assert told == {"Onboarding": (5, pytest.approx(3.6), 1), "Adoption": (5, pytest.approx(7.2), 1)}
    assert sorted(low_use(book).column("account_id")) == ["o0", "y0"], "4 days are little in month 6, not in month 2"


@pytest.mark.system("L8", "L9")
def test_inactivity_is_a_threshold_a_warning_and_not_churn(looked, uses):
    toml = '[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 40\ninactive_days = 14\n'
    book = looked(
        "2024-12-31",
        toml=toml,
        usage=[
            *uses("busy", ["2024-11-20", "2024-12-18"]),
            *uses("quiet", ["2024-11-20", "2024-12-17"]),
            *uses("lost", ["2024-11-01"]),
        ],
    )
    found = thresholds(book)
    row = inactivity(book, found).as_dicts()[0]
    assert (row["days"], row["customers"], row["at_risk"], row["lost"]) == (14, 2, 1, 1)
    told = [r for r in triggers(book, found).as_dicts() if r["trigger"] == "re_engagement"]
    assert [(r["account_id"], r["why"]) for r in told] == [("quiet", "silent for 14 days")]


@pytest.mark.system("L8")
def test_the_threshold_is_learned_from_return_times(looked, uses):
    """Weekly customers: each comes every 7 days for half a year; some stop. From 8 silent days on nobody returns."""
    first = datetime(2024, 1, 1)
    rows = []
    for i in range(60):
        stop = 26 if i % 2 else 10
        rows += uses(f"a{i:02d}", [f"{first + timedelta(days=7 * week):%Y-%m-%d}" for week in range(stop)])
    book = looked("2024-07-01", toml='[churn]\nkind = "inactivity"\nhorizon_days = 28\n', usage=rows)
    assert thresholds(book)[0].days == 8


@pytest.mark.system("L8")
def test_where_silence_is_the_loss_the_warning_comes_before_it(looked, uses):
    """Monthly customers who always return: no silence within the 28 days of the loss tells anything."""
    first = datetime(2024, 1, 1)
    days = [f"{first + timedelta(days=27 * month):%Y-%m-%d}" for month in range(7)]
    rows = [row for i in range(60) for row in uses(f"a{i:02d}", days)]
    book = looked("2024-07-01", toml='[churn]\nkind = "inactivity"\nhorizon_days = 28\n', usage=rows)
    found = thresholds(book)
    assert found[0].days == 14
    row = inactivity(book, found).as_dicts()[0]
    assert (row["days"], row["returned"].value) == (14, 1)


@pytest.mark.system("L2", "L16")
def test_a_signup_and_a_win_start_a_message(looked, uses):
    toml = '[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 60\n'

    def said(account, at, kind, score):
        return {"account_id": account, "at": at, "kind": kind, "score": score}

    accounts = ("old", "fresh", "active", "promoter", "sour", "stale")
    book = looked(
        "2024-12-31",
        toml=toml,
        usage=[
            *uses("old", ["2024-01-05", "2024-02-20", "2024-04-10", "2024-06-01"]),
            *uses("fresh", ["2024-12-28"]),
            *uses("active", ["2024-12-27", "2024-12-29"]),
            *[row for a in accounts[3:] for row in uses(a, ["2024-11-20", "2024-12-22"])],
        ],
        feedback=[
            said("promoter", "2024-12-29", "nps", 9),
            said("sour", "2024-12-28", "review", 5),
            said("sour", "2024-12-29", "nps", 3),
            said("stale", "2024-12-01", "nps", 10),
        ],
    )
    told = {(r["account_id"], r["trigger"], r["why"]) for r in triggers(book, []).as_dicts()}
    assert told == {("fresh", "onboarding", "signed up"), ("promoter", "referral", "a win: nps")}


@pytest.mark.system("L17")
def test_rewards_are_a_ledger_of_cost_by_month(looked, term):
    def given(account, at, cost, play="referral_reward", arm="treated"):
        return {"account_id": account, "at": at, "play": play, "cost": cost, "arm": arm}

    book = looked(
        subscriptions=[term("a", "2024-01-01"), term("b", "2024-01-01")],
        interventions=[given("a", "2024-05-03", 10.5), given("b", "2024-05-20", 20.0), given("a", "2024-06-01", 5.0),
                       given("a", "2024-05-04", 99.0, play="call"), given("b", "2024-05-05", 7.0, arm="holdout")],
    )  # fmt: skip
    told = [(f"{r['month']:%Y-%m}", r["given"], r["accounts"], r["cost"]) for r in rewards(book).as_dicts()]
    assert told == [("2024-05", 2, 2, 30.5), ("2024-06", 1, 1, 5.0)]


def test_what_the_data_do_not_allow_is_named(looked, uses):
    toml = '[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 28\n'
    book = looked("2024-12-31", toml=toml, usage=uses("a", ["2024-11-01", "2024-12-20"]))
    told = "\n".join(chapter(book.inputs).not_measured)
    for word in ("no kept run", "[sources.touchpoints]", "`renews_at`", "upgrade_events", "goal_attainment", "b2c"):
        assert word in told


def test_a_company_without_customers_has_an_empty_chapter(looked, uses):
    toml = '[churn]\nkind = "inactivity"\nhorizon_days = 28\nobserved_until = "2024-12-31"\n'
    found = chapter(looked("2024-12-31", toml=toml, usage=uses("a", ["2024-01-01"])).inputs)
    assert "nobody is a customer at this moment" in "\n".join(found.not_measured)
    assert found.block("accounts").rows == ()
