"""Owners' plans from a kept run: who may get hours, overload, one hour more, and what the plan is worth."""

from datetime import datetime

import pyarrow as pa
import pytest

from retention import house
from retention.capacity import measured
from retention.capacity.candidates import HELD_OUT, NOT_PREVENTABLE, NOT_SCORED, find
from retention.capacity.chapter import NO_SCORES, chapter
from retention.capacity.choices import effect_of
from retention.figures import Figure
from retention.inputs import KEPT, open_inputs

RUN = datetime(2025, 1, 6)
MEASURED = {"recovery_plan": Figure(0.5, 80, 0.3, 0.7), "re_engage": Figure(-0.4, 12, -1.2, 0.4)}


@pytest.fixture
def planned(company):
    """Inputs over a kept run: rows of account, owner, level, driver, probability, yearly value; and who is held out."""

    def make(rows, held=(), toml=""):
        subs = [{"account_id": name, "started_at": "2024-01-01"} for name in ("unscored", *(row[0] for row in rows))]
        (company.folder / "retention.toml").write_text(toml, encoding="utf-8")
        company.stage("[churn]\nhorizon_days = 28", subscriptions=subs)
        names = ("account_id", "owner", "risk_level", "driver", "churn_probability", "yearly_value")
        scores = [dict.fromkeys(KEPT["score_history"]) | dict(zip(names, row, strict=True)) for row in rows]
        old = [row | {"as_of": datetime(2024, 1, 1), "churn_probability": 0.9} for row in scores]
        kept = {
            "score_history": _table("score_history", old + [row | {"as_of": RUN} for row in scores]),
            "holdout_history": _table(
                "holdout_history", [{"account_id": a, "arm": "holdout", "at": RUN} for a in held]
            ),
        }
        rules = house.load(company.folder / "retention.toml")
        return open_inputs(company.engine, company.staged, company.settings, rules, RUN, kept)

    return make


def _table(name, rows):
    return pa.Table.from_pylist(rows, schema=pa.schema(list(KEPT[name].items())))


def rows_of(found, block):
    return found.block(block).as_dicts()


@pytest.mark.system("T3", "P10")
def test_hours_go_to_preventable_churn_that_nobody_holds_out(planned):
    found = find(
        planned(
            [
                ("gets", "ann", "high", "low_adoption", 0.1, 1000.0),
                ("moves", "ann", "high", "strategic_shift", 0.1, 1000.0),
                ("held", "ann", "high", "low_adoption", 0.1, 1000.0),
                ("new", "ann", None, None, None, 1000.0),
                ("free", "ann", "high", "low_adoption", 0.1, None),
            ],
            held=["held"],
        )
    )
    assert [one.account_id for one in found.candidates] == ["gets"]
    assert found.left_out == {NOT_PREVENTABLE: 1, HELD_OUT: 1, NOT_SCORED: 2}


def test_the_stake_is_a_years_margin_times_churn_within_the_outcome_days(planned):
    (one,) = find(planned([("A", "ann", "high", "budget", 0.1, 1000.0)])).candidates
    assert one.probability == pytest.approx(1 - 0.9**3)  # 84 days of windows of 28
    assert one.stake == pytest.approx((1 - 0.9**3) * 1000 * 0.75)


def test_accounts_without_an_owner_get_no_hours_unless_no_account_has_one(planned):
    rows = [("A", "ann", "high", None, 0.1, 1000.0), ("B", None, "high", None, 0.1, 1000.0)]
    load = {row["owner"]: row for row in rows_of(chapter(planned(rows)), "load")}
    assert (load["nobody"]["hours"], load["ann"]["hours"]) == (0, 30)
    alone = chapter(planned([("B", None, "high", None, 0.1, 1000.0)]))
    assert [(row["owner"], row["hours"]) for row in rows_of(alone, "load")] == [("the team", 30)]


@pytest.mark.system("P7", "P8", "P9", "P10")
def test_an_owner_with_more_standard_treatment_than_hours_is_overloaded(planned):
    rows = [(f"H{i}", "ann", "high", None, 0.1, 1000.0) for i in range(3)]
    rows += [("M", "ann", "medium", None, 0.1, 1000.0), ("L", "ann", "low", None, 0.1, 1000.0)]
    rows += [("X", "ben", "high", None, 0.1, 1000.0)]
    found = chapter(planned(rows, toml="[capacity]\nowners = { ann = 6, ben = 6 }"))
    ann, ben = rows_of(found, "load")
    assert (ann["wanted"], ann["load"], ann["is_overloaded"]) == (3 * 2 + 0.5 + 0.25, 6.75 / 6, True)
    assert (ben["wanted"], ben["is_overloaded"]) == (2, False)
    assert found.block("load").notes == ("1 of 2 owners are overloaded.",)


def test_one_hour_more_is_worth_what_it_adds(planned):
    toml = "[capacity]\nowners = { ann = 2 }\nleeway = 1"
    rows = [("A", "ann", "high", None, 0.2, 1000.0), ("B", "ann", "low", None, 0.1, 1000.0)]
    (row,) = rows_of(chapter(planned(rows, toml=toml)), "load")
    stakes = {one.account_id: one.stake for one in find(planned(rows, toml=toml)).candidates}
    assert row["hour_is_worth"] == pytest.approx(0.04 * stakes["B"])  # the quarter of an hour that did not fit


@pytest.mark.system("P10")
def test_the_chapter_adds_up_and_says_what_is_assumed(planned):
    rows = [(f"A{i}", f"csm-{i % 2}", ("high", "medium", "low")[i % 3], "budget", 0.05 + i / 100, 900.0 + i)
            for i in range(24)]  # fmt: skip
    found = chapter(planned(rows), MEASURED, hours=5.0)
    plan, risk, random = rows_of(found, "value")
    accounts, hours = rows_of(found, "accounts"), rows_of(found, "hours")
    assert plan["value"].value == pytest.approx(sum(row["value"].value for row in accounts))
    assert plan["value"].value == pytest.approx(sum(row["value"].value for row in hours))
    assert sum(row["hours"] for row in hours) == pytest.approx(sum(row["hours"] for row in accounts))
    assert {row["hours"] for row in rows_of(found, "load")} == {5.0}
    for owner in ("csm-0", "csm-1"):
        assert sum(row["hours"] for row in hours if row["owner"] == owner) <= 5.0
    assert plan["value"].value >= risk["value"].value > random["value"].value > 0
    basis = {row["play"]: (row["basis"], row["effect"].value) for row in rows_of(found, "plays")}
    assert basis["recovery_plan"] == ("measured", 0.5)
    assert basis["re_engage"] == ("assumed", 0.08)  # measured too loosely to stand


@pytest.mark.system("P7", "P8", "P9")
def test_the_stakes_of_a_level_are_those_of_its_accounts(planned):
    rows = [("A", "ann", "high", None, 0.1, 1000.0), ("B", "ben", "high", None, 0.2, 3000.0)]
    high, medium, _ = rows_of(chapter(planned(rows)), "stakes")
    churns = 1 - 0.9**3, 1 - 0.8**3
    assert (high["accounts"], high["churn"].value) == (2, pytest.approx(sum(churns) / 2))
    assert high["value"].value == 2000
    assert high["stake"] == pytest.approx(0.75 * (churns[0] * 1000 + churns[1] * 3000))
    assert (medium["accounts"], medium["churn"].value, medium["stake"]) == (0, None, 0)


def test_without_a_kept_run_the_chapter_says_so(planned):
    assert chapter(planned([])).not_measured == (NO_SCORES,)


@pytest.mark.system("T3", "X12", "G10")
def test_the_share_of_churn_that_a_play_prevents_is_measured_against_those_held_out(company):
    """Of 40 held out 10 are lost, of 60 treated 6: the effect is 15 points of 25, so 60 % of the churn."""
    plays, subs = [], []
    for i in range(100):
        is_held, is_lost = i < 40, i < 10 or 40 <= i < 46
        name, ends = f"A{i}", "2024-03-01" if is_lost else None
        subs.append({"account_id": name, "started_at": "2023-01-01", "ended_at": ends, "mrr": 100.0})
        arm = "holdout" if is_held else "treated"
        plays.append({"account_id": name, "at": "2024-02-01", "play": "Adoption campaign", "arm": arm, "cost": 0.0})
    company.stage("[churn]\nhorizon_days = 28\nobserved_until = 2024-12-01", subscriptions=subs, interventions=plays)
    (company.folder / "retention.toml").write_text(RECORDED, encoding="utf-8")
    rules = house.load(company.folder / "retention.toml")
    inputs = open_inputs(company.engine, company.staged, company.settings, rules, datetime(2024, 12, 1))
    (found,) = measured.effects(inputs).items()
    assert (found[0], found[1].n) == ("adoption", 100)
    assert found[1].value == pytest.approx((54 / 60 - 30 / 40) / (10 / 40))


RECORDED = """
[plays.adoption]
levels = ["high"]
recorded_as = ["Adoption campaign"]
hours = 1
effect = { low = 0, base = 0.1, high = 0.2 }
"""


@pytest.mark.system("G10")
@pytest.mark.parametrize(
    ("measured_effect", "stands"),
    [
        pytest.param(Figure(0.3, 900, 0.25, 0.35), True, id="as tight as what is assumed"),
        pytest.param(Figure(0.3, 20, -0.3, 0.9), False, id="too loose"),
        pytest.param(Figure(-0.8, 20, -1.5, -0.1), True, id="loose, and harm by its whole interval"),
    ],
)
def test_a_measured_effect_stands_when_it_is_tight_or_tells_of_harm(measured_effect, stands):
    care = house.load(None).plays["re_engage"]
    assert effect_of("re_engage", care, {"re_engage": measured_effect})[1] is stands
