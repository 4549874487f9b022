"""Scenarios, recommendation and thresholds against arithmetic done by hand, and against deciding again."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from retention.records import document
from retention.records.deciding import computed
from retention.records.scenarios import outcomes, recommend
from retention.records.thresholds import break_even, flips, levers, moved, with_effect


@pytest.mark.system("X7", "X8")
def test_an_options_worth_in_a_scenario_is_what_a_person_would_reckon(decision):
    base = next(one for one in outcomes(decision().compare) if (one.option, one.scenario) == ("B", "base"))
    assert base.saved == pytest.approx(50 * 0.12 * 0.20)
    assert base.retained == pytest.approx(1.2 * 5000)
    assert base.margin == pytest.approx(6000 * 0.75)
    assert base.cost == pytest.approx(1000 + 50 * 20)
    assert base.net == pytest.approx(4500 - 2000)


@pytest.mark.system("X7")
def test_an_offer_costs_what_everyone_treated_is_let_off_and_what_does_not_last_is_not_kept(decision):
    paid = decision({"compare.options.B.discount": 0.1, "compare.options.B.lasting": 0.5})
    base = next(one for one in outcomes(paid.compare) if (one.option, one.scenario) == ("B", "base"))
    assert base.cost == pytest.approx(2000 + 50 * 5000 * 0.1)
    assert base.margin == pytest.approx(4500 / 2)


@pytest.mark.system("X3", "X7")
def test_the_criterion_decides(decision):
    found = decision()
    net = {(one.option, one.scenario): one.net for one in outcomes(found.compare)}
    expected = recommend(found.compare, found.commit)
    assert expected.option == "B"
    assert expected.expected["C"] == pytest.approx(
        0.25 * net["C", "low"] + 0.5 * net["C", "base"] + 0.25 * net["C", "high"]
    )
    assert expected.regret["A"] == pytest.approx(max(net["B", "high"], net["C", "high"]))
    generous = decision({"compare.options.C.cost": 0, "compare.options.C.effect.low": 0.19})
    careful = generous.commit.model_copy(update={"criterion": "regret"})
    regret = recommend(generous.compare, careful)
    assert regret.option == min(regret.regret, key=regret.regret.get) == "C"


def test_of_equals_the_one_that_changes_least_is_taken(decision):
    free = {"compare.options.B.cost": 0, "compare.options.B.cost_per_account": 0, "commit.selected": "A"}
    effects = {f"compare.options.{o}.effect.{s}": 0 for o in "BC" for s in ("low", "base", "high")}
    nothing = decision(free | effects)
    assert recommend(nothing.compare, nothing.commit).option == "A"


@pytest.mark.system("X7")
def test_at_the_break_even_save_rate_an_option_is_worth_as_much_as_holding_still(decision):
    found = decision()
    for one in break_even(found.compare, found.commit):
        there = with_effect(found.compare, one.option, one.needed)
        assert recommend(there, found.commit).expected[one.option] == pytest.approx(0, abs=1e-6)
        saved = sum(
            getattr(found.commit.likelihood, o.scenario) * o.saved for o in outcomes(there) if o.option == one.option
        )
        assert one.saved == pytest.approx(saved)


@pytest.mark.system("X7")
def test_the_break_even_share_does_not_depend_on_the_effect_that_was_measured(decision):
    """Nor does it shrink because a range holds zero: only churn, value and cost say what must be prevented."""
    narrow = decision()
    wide = decision({"compare.options.B.effect.low": -0.9, "compare.options.B.effect.high": 0.95})
    needed = [one.needed for one in break_even(narrow.compare, narrow.commit)]
    assert [one.needed for one in break_even(wide.compare, wide.commit)] == pytest.approx(needed)


def test_where_no_save_rate_pays_none_is_told(decision):
    dear = decision({"compare.options.C.cost": 1e9})
    assert [one.needed is None for one in break_even(dear.compare, dear.commit)] == [False, True]


@pytest.mark.system("X7")
def test_a_threshold_is_where_the_expected_values_cross(decision):
    """With everything linear in a number's factor f, D(f) = D(0) + f (D(1) - D(0)), and D(f*) = 0 by hand."""
    found = decision()
    told = {flip.number: flip for flip in flips(found.compare, found.commit) if flip.number == "B.cost"}

    def ahead(factor):  # of the better of the two others
        expected = recommend(moved(found.compare, "B.cost", factor), found.commit).expected
        return expected["B"] - max(expected["A"], expected["C"])

    factor = ahead(0) / (ahead(0) - ahead(1))
    assert told["B.cost"].at == pytest.approx(2000 * factor)


ASSUMED = {"basis": "assumed", "source": "nobody"}


@pytest.mark.system("X7", "X12")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(st.floats(0.01, 0.3), st.floats(0.05, 0.9), st.floats(100, 9000), st.sampled_from(["expected_value", "regret"]))
def test_on_both_sides_of_every_threshold_deciding_again_gives_what_it_says(given, churn, effect, cost, criterion):
    found = document.read(
        given(
            {
                "compare.churn": {
                    "low": churn / 2,
                    "base": churn,
                    "high": churn * 2,
                    "basis": "assumed",
                    "source": "x",
                },
                "compare.options.C.effect": {
                    "low": 0,
                    "base": effect,
                    "high": effect,
                    "basis": "assumed",
                    "source": "x",
                },
                "compare.options.C.cost": cost,
                "commit.criterion": criterion,
            }
        ),
        "the test",
    )
    now = {lever.name: lever for lever in levers(found.compare)}
    chosen = recommend(found.compare, found.commit).option
    for flip in flips(found.compare, found.commit):
        factor, outwards = flip.at / flip.now, 1 if flip.at > flip.now else -1
        beyond = recommend(moved(found.compare, flip.number, factor * (1 + outwards * 1e-9)), found.commit)
        before = recommend(moved(found.compare, flip.number, factor * (1 - outwards * 1e-9)), found.commit)
        assert (before.option, beyond.option) == (chosen, flip.to)
        bounds = now[flip.number].range
        assert flip.is_within == (bounds is not None and bounds[0] <= flip.at <= bounds[1])
    assert computed(found) == computed(document.read(found.model_dump(mode="json"), "again"))
