"""What each business model steers by, goals, pilots, referrals, and what a good number hides."""

from typing import Any

import pytest

from retention.figures import UNKNOWN, Figure, difference, share
from retention.house import load
from retention.ledger import checks
from retention.ledger.arrivals import activation, referrals
from retention.ledger.chapter import chapter
from retention.ledger.periods import look
from retention.sections import Masking

Row = dict[str, Any]
ALL = "[programme]\nfewest = 1\n"
YEAR = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01\n'


def term(account: str, start: str, end: str | None, mrr: float | None = None, **more: Any) -> Row:
    return {"account_id": account, "started_at": start, "ended_at": end, "mrr": mrr} | more


STEADY = [term(f"a{i}", "2023-12-01", None, 10) for i in range(10)]


@pytest.mark.system("M2", "L22")
@pytest.mark.parametrize(
    ("model", "stars"),
    [
        ("saas", {"onboarding": "Activation rate", "adoption": "Logo churn", "expansion": "Net revenue retention",
                  "renewals": "Renewal rate"}),
        ("b2b", {"measure": "Net promoter score", "act": "Logo churn", "grow": "Net revenue retention"}),
        ("b2c", {"activation": "Activation rate", "retention": "Customer retention rate",
                 "referral": "Viral coefficient"}),
    ],
)  # fmt: skip
def test_each_business_model_has_its_metrics_with_one_north_star_a_stage(
    measured: Any, model: str, stars: dict[str, str]
) -> None:
    toml = f'{YEAR}[company]\nbusiness_model = "{model}"\n'
    found = chapter(measured("2025-01-01", toml=toml, rules=ALL, subscriptions=STEADY))
    rows = found.block("metric_set").as_dicts()
    assert {row["stage"]: row["metric"] for row in rows if row["role"] == "North Star"} == stars
    assert sum(row["role"] == "North Star" for row in rows) == len({row["stage"] for row in rows})
    assert ("outcomes" in [block.id for block in found.blocks]) == (model != "b2c")


def answers(scores: list[int], at: str) -> list[Row]:
    return [{"account_id": f"a{i}", "at": at, "kind": "nps", "score": score} for i, score in enumerate(scores)]


@pytest.mark.system("A14")
def test_outcomes_tell_which_way_they_moved(measured: Any) -> None:
    rows = [term(f"a{i}", "2022-12-01", "2023-06-01" if i >= 40 else None, 10) for i in range(60)]
    feedback = answers([0] * 30, "2023-06-01") + answers([10] * 30, "2024-06-01")
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows, feedback=feedback))
    told = {row["metric"]: row for row in found.block("outcomes").as_dicts()}
    assert list(told) == ["Net promoter score", "Logo churn", "Renewal rate", "Net revenue retention"]
    assert (told["Net promoter score"]["now"], told["Net promoter score"]["verdict"]) == (
        "100.0 (100.0 to 100.0; n 30)", "better",
    )  # fmt: skip
    assert (told["Logo churn"]["wanted"], told["Logo churn"]["verdict"]) == ("down", "better")
    assert told["Logo churn"]["before"].startswith("33.3 %")
    assert told["Renewal rate"]["verdict"] == "not known"


GOALS = """
[goals.detractors]
title = "Fewer detractors"
metric = "detractors"
month = 2024-03-01
change = -0.15
until = 2025-06-01
[goals.churn]
title = "Less churn"
metric = "logo_churn"
month = 2023-12-01
change = -0.5
until = 2025-01-01
"""


@pytest.mark.system("A10")
def test_a_goal_holds_what_is_against_what_was_to_be(measured: Any) -> None:
    """Half the answers up to March were detractors: 42.5 % is the goal; over the last year 40 % are."""
    rows = [term(f"a{i}", "2022-12-01", "2023-06-01" if i >= 8 else None, 10) for i in range(10)]
    rows += [term("late", "2023-12-10", "2024-02-01", 1)]
    feedback = answers([0] * 5 + [9] * 5, "2024-02-01") + answers([0, 0, 0] + [9] * 7, "2024-09-01")
    inputs = measured("2025-01-01", toml=YEAR, rules=ALL + GOALS, subscriptions=rows, feedback=feedback)
    told = {row["goal"]: row for row in chapter(inputs).block("goals").as_dicts()}
    detractors, churn = told["Fewer detractors"], told["Less churn"]
    assert (detractors["baseline"].split(" (")[0], detractors["wanted"]) == ("50.0 %", "42.5 %")
    assert (detractors["now"].split(" (")[0], detractors["verdict"]) == ("40.0 %", "yes, unsure")
    assert (churn["baseline"].split(" (")[0], churn["wanted"], churn["now"].split(" (")[0]) == (
        "20.0 %", "10.0 %", "11.1 %",
    )  # fmt: skip
    assert churn["verdict"] == "no, unsure"


def test_goals_and_sets_name_metrics_that_there_are(tmp_path: Any) -> None:
    path = tmp_path / "retention.toml"
    path.write_text(GOALS.replace('"logo_churn"', '"happiness"'), encoding="utf-8")
    with pytest.raises(Exception, match="happiness"):
        load(path)


@pytest.mark.system("M6")
def test_a_pilot_is_held_against_the_rest_and_against_before(measured: Any) -> None:
    """Twenty in the pilot lose 4 before and 1 of the rest since; thirty others lose 3 before and 9 since."""
    lost = {"p": (4, 1), "o": (3, 9)}
    rows, accounts = [], []
    for kind, size in (("p", 20), ("o", 30)):
        before, since = lost[kind]
        for i in range(size):
            end = "2024-04-01" if i < before else "2024-09-01" if i < before + since else None
            rows.append(term(f"{kind}{i}", "2023-12-01", end, 1))
            accounts.append({"account_id": f"{kind}{i}", "segment": kind, "started_at": "2023-12-01"})
    rules = ALL + '[pilots.care]\ntitle = "Care"\nsegment = "p"\nfrom_day = 2024-07-01\n'
    found = chapter(measured("2025-01-01", toml=YEAR, rules=rules, subscriptions=rows, accounts=accounts))
    pilot, others, gap = found.block("pilot_care").as_dicts()
    assert (pilot["before"], pilot["now"]) == (share(4, 20), share(1, 16))
    assert (others["before"], others["now"]) == (share(3, 30), share(9, 27))
    assert pilot["change"] == difference(share(1, 16), share(4, 20))
    assert gap["change"].value == pytest.approx((1 / 16 - 0.2) - (9 / 27 - 0.1))
    assert gap["change"].low < gap["change"].value < gap["change"].high
    by_name = rules.replace('segment = "p"', f"accounts = {[f'p{i}' for i in range(20)]}")
    again = chapter(measured("2025-01-01", toml=YEAR, rules=by_name, subscriptions=rows, accounts=accounts))
    assert again.block("pilot_care").as_dicts() == found.block("pilot_care").as_dicts()


# ------------------------------------------------------------------------------------------------- new customers

SHOP = '[churn]\nkind = "inactivity"\nhorizon_days = 28\n[company]\nbusiness_model = "b2c"\n'


def orders(account: str, *days: str) -> list[Row]:
    return [{"account_id": account, "at": f"2024-{day} 12:00", "value": 10} for day in days]


@pytest.mark.system("L4", "L5", "L6", "L7")
def test_activation_time_to_value_and_bounce_by_hand(measured: Any) -> None:
    """Second order within 28 days: a and b of four. No other day within 30: c and d. All steps: b alone."""
    use = orders("a", "03-01", "03-20") + orders("b", "03-01", "03-08", "03-15", "03-22", "03-29")
    use += orders("c", "03-01") + orders("d", "03-01", "05-01") + orders("x", "12-30")
    found = activation(measured("2024-12-31", toml=SHOP, rules=ALL, usage=use))
    assert {name: (one.n, one.value) for name, one in found.items()} == {
        "activation_rate": (4, 0.5), "onboarding_completion": (4, 0.25), "time_to_value": (5, 0.0),
        "bounce_rate": (4, 0.5),
    }  # fmt: skip


@pytest.mark.system("L18", "L19", "L20", "L21")
def test_referrals_by_hand(measured: Any) -> None:
    """Ten customers and four new: a0 brings two, a1 one, a stranger one, a2 only tried; rewards cost 60 in all."""
    brought = {"n0": "a0", "n1": "a0", "n2": "a1", "n3": "somebody"}
    rows = STEADY + [term(name, "2024-05-01", None, 10) for name in brought]
    accounts = [{"account_id": f"a{i}", "started_at": "2023-12-01", "referred_by": None} for i in range(10)]
    accounts += [{"account_id": name, "started_at": "2024-05-01", "referred_by": by} for name, by in brought.items()]
    plays = [{"account_id": "a0", "at": "2024-05-02", "play": "referral_reward", "cost": 40},
             {"account_id": "a1", "at": "2024-05-02", "play": "referral_reward", "cost": 20},
             {"account_id": "a1", "at": "2024-05-02", "play": "call", "cost": 500}]  # fmt: skip
    tried = [{"account_id": "a2", "at": "2024-05-02", "kind": "referral"},
             {"account_id": "a3", "at": "2024-05-02", "kind": "meeting"}]  # fmt: skip
    told = {"subscriptions": rows, "interventions": plays, "touchpoints": tried}
    ledger = look(measured("2025-01-01", toml=YEAR, rules=ALL, accounts=accounts, **told))
    assert ledger
    found = referrals(ledger)
    assert {name: one.value for name, one in found.items()} == {
        "referral_rate": pytest.approx(3 / 14), "referred_customers": 4, "viral_coefficient": pytest.approx(3 / 14),
        "cost_per_referred": 15,
    }  # fmt: skip
    assert found["viral_coefficient"].low < 3 / 14 < found["viral_coefficient"].high
    alone = look(measured("2025-01-01", toml=YEAR, rules=ALL, **told))
    assert alone
    assert {name: one.value for name, one in referrals(alone).items()} == {"referral_rate": pytest.approx(1 / 14)}


# ------------------------------------------------------------------------------------------------------ what it hides

BOUNDS = Masking(retention=0.9, nrr=1.0, green=0.5)


@pytest.mark.system("G9")
@pytest.mark.parametrize(
    ("kept", "nrr", "green", "told"),
    [
        (0.95, 1.1, 0.8, "nothing"),
        (0.95, 0.97, 0.8, "weak expansion"),
        (0.95, 1.1, 0.3, "poor health"),
        (0.95, 0.97, 0.3, "weak expansion and poor health"),
        (0.80, 0.97, 0.3, "retention is not high"),
        (0.95, None, None, "not known"),
        (None, 1.1, 0.8, "not known"),
    ],
)
def test_what_a_high_retention_hides(kept: Any, nrr: Any, green: Any, told: str) -> None:
    assert checks.hidden(Figure(kept), Figure(nrr), Figure(green), BOUNDS) == told


@pytest.mark.system("G9")
def test_retention_stands_beside_health_and_revenue(measured: Any) -> None:
    rows = [term(f"a{i}", "2023-12-01", "2024-06-01", 10) for i in range(10)]
    rows += [term(f"a{i}", "2024-06-01", None, 8) for i in range(10)]
    scores = [
        {"account_id": f"a{i}", "as_of": "2024-12-01", "tier": "green" if i < 2 else "red",
         "health_score": 80.0 if i < 2 else 20.0}
        for i in range(10)
    ]  # fmt: skip
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows, kept={"score_history": scores}))
    [row] = found.block("retention_masking").as_dicts()
    assert (row["retention"].value, row["nrr"].value, row["green"].value) == (1.0, pytest.approx(0.8), 0.2)
    assert row["hidden"] == "weak expansion and poor health"


@pytest.mark.system("G11")
def test_all_measures_stand_together(measured: Any) -> None:
    rows = [*STEADY, term("left", "2023-12-01", "2024-11-10", 10, cancel_reason="price")]
    rows += [term(f"n{i}", "2024-08-05", None if i else "2024-09-01", 10) for i in range(4)]
    use = [{"account_id": f"a{i}", "at": "2024-12-15", "event": "login"} for i in range(5)]
    tickets = [{"account_id": "a0", "opened_at": f"2024-11-0{i}", "escalations": int(i == 1)} for i in range(1, 5)]
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=rows, usage=use, support=tickets))
    told = {row["measure"].split(",")[0].split(":")[0]: row["now"] for row in found.block("together").as_dicts()}
    assert told["Customers kept"] == share(13, 14)
    assert told["Losses for the commonest reason"] == share(1, 1)
    assert told["Customers with use in the last 28 days"] == share(5, 13)
    assert told["Tickets without an escalation"] == share(3, 4)
    assert told["Expansion"].value == 0
    assert told["Customers of three months"] == share(3, 4)
    assert told["New customers activated"].n == 0


@pytest.mark.system("M8")
def test_keeping_is_set_against_winning_by_the_companys_own_number(measured: Any) -> None:
    rows = [*STEADY, term("left", "2023-12-01", "2024-07-10", 10)]
    plays = [{"account_id": "a0", "at": "2024-05-02", "play": "call", "cost": 90},
             {"account_id": "a1", "at": "2024-05-02", "play": "call", "cost": 99, "arm": "holdout"}]  # fmt: skip
    plays = [{"arm": "treated"} | play for play in plays]
    found = {}
    for times in (5, 25):
        rules = ALL + f"overhead = 10\n[money]\nacquisition_cost_times = {times}\n"
        inputs = measured("2025-01-01", toml=YEAR, rules=rules, subscriptions=rows, interventions=plays)
        found[times] = {row["item"]: row["money"] for row in chapter(inputs).block("economics").as_dicts()}
    held = (10 * 12 + 7) / 12
    assert found[5]["Spent on keeping"] == 90 + 12 * 10
    assert found[5]["Keeping a customer for a year"] == pytest.approx(210 / held)
    assert found[5]["Winning a customer"] == pytest.approx(5 * 210 / held)
    assert found[25]["Winning the lost ones anew"] == pytest.approx(25 * 210 / held)
    assert found[5]["A customer's lifetime value"] == pytest.approx(10 * 0.75 * 127)


def test_without_a_cost_there_is_no_economics(measured: Any) -> None:
    found = chapter(measured("2025-01-01", toml=YEAR, rules=ALL, subscriptions=STEADY))
    assert "economics" not in [block.id for block in found.blocks]
    assert UNKNOWN.value is None
