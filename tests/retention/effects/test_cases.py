"""What a case is: which plays belong to it, when it is closed, who was saved, what was known before."""

import pytest


def rows(inputs, *names):
    return inputs.rows(f"SELECT {', '.join(names)} FROM play_cases ORDER BY account_id, begun_at")


def test_plays_within_84_days_of_the_first_are_one_case_and_later_ones_another(programme, build):
    plays = [
        build.play("a", build.day(n), what) for n, what in ((0, "call"), (10, "visit"), (83, "call"), (84, "gift"))
    ]
    inputs = programme(plays)
    assert rows(inputs, "play", "plays", "kinds", "cost_cents") == [("call", 3, 2, 30_000), ("gift", 1, 1, 10_000)]


@pytest.mark.parametrize(
    ("lost", "saved"),
    [(None, True), (1, False), (84, False), (85, True)],
    ids=["stays", "lost the day after", "lost on the last day", "lost a day later"],
)
def test_an_account_is_saved_that_is_not_lost_within_84_days(programme, build, lost, saved):
    inputs = programme([build.play("a")], [build.term("a", None if lost is None else build.day(lost))])
    assert rows(inputs, "is_saved", "is_closed") == [(saved, True)]


def test_an_account_lost_before_the_play_is_no_case_to_save(programme, build):
    inputs = programme([build.play("a")], [build.term("a", build.day(-1))])
    assert rows(inputs, "is_customer", "is_closed") == [(False, False)]


@pytest.mark.parametrize(("grace", "closed"), [(0, True), (14, False)])
def test_a_case_closes_when_its_window_and_the_grace_days_are_over(programme, build, grace, closed):
    toml = f'[churn]\nkind = "contract"\ngrace_days = {grace}\nobserved_until = {build.day(90)}'
    inputs = programme([build.play("a"), build.play("b", build.day(7))], toml=toml)
    assert rows(inputs, "is_closed") == [(closed,), (False,)]


def test_a_held_out_play_is_no_treatment_and_a_treated_account_of_the_holdout_stays_held(programme, build):
    kept = {"holdout_history": [{"account_id": "c", "arm": "holdout", "at": build.day(-9)}]}
    kept["holdout_history"].append({"account_id": "d", "arm": "holdout", "at": build.day(9)})
    plays = [build.play("a"), build.play("b", arm="holdout"), build.play("c"), build.play("d")]
    found = rows(programme(plays, kept=kept), "account_id", "arm", "is_treated")
    assert found == [
        ("a", "treated", True),
        ("b", "holdout", False),
        ("c", "holdout", True),
        ("d", "treated", True),
    ]


def test_worth_is_the_running_terms_money_else_what_was_spent_else_invoiced(programme, build):
    terms = [build.term("a", mrr=100.0), build.term("b", mrr=None), build.term("c", mrr=None)]
    use = [{"account_id": "b", "at": build.day(n), "value": 84.0} for n in (-85, -84, -1, 0)]
    paid = [{"account_id": who, "at": build.day(-5), "amount": 42.0} for who in "abc"]
    inputs = programme([build.play(who) for who in "abc"], terms, usage=use, invoices=paid)
    assert [float(cents) for (cents,) in rows(inputs, "yearly_cents")] == pytest.approx([120_000, 73_000, 18_250])


def test_risk_is_that_of_the_last_score_before_the_play(programme, build):
    score = {"account_id": "a", "segment": "big", "tier": "red", "churn_probability": 0.1, "risk_level": "high"}
    later = score | {"risk_level": "low", "as_of": build.day(1)}
    older = score | {"risk_level": "medium", "as_of": build.day(-30)}
    toml = '[churn]\nkind = "contract"\nhorizon_days = 28'
    kept = {"score_history": [score | {"as_of": build.day(-2)}, later, older]}
    found = rows(programme([build.play("a"), build.play("b")], kept=kept, toml=toml), "risk_level", "segment", "stays")
    assert found[0] == ("high", "big", pytest.approx(0.9**3))
    assert found[1] == (None, None, None)
