"""The programme's figures from its plays: save rates and their cuts, natural saves, prevented value, return."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.effects.chapter import chapter
from retention.effects.measured import measure, roi
from retention.figures import Figure, share


def test_worked_example_40_saved_of_20k_15_natural_for_100k_returns_400_percent():
    assert roi(Figure(40 * 20_000.0 - 15 * 20_000.0), 100_000.0).value == 4.0


@pytest.mark.system("R9", "R10")
def test_worked_example_from_tables(arms):
    """100 treated, 40 saved, 15 of 100 held out stay; 24,000 each instead of 20,000, and 120,000 instead of 100,000."""
    rules = "[money]\ngross_margin = 1.0\n[programme]\noverhead = 110000.0"
    found = measure(arms(100, 40, 100, 15, mrr=2000.0, rules=rules))
    assert (found.save_rate.value, found.natural.value, found.effect.value) == pytest.approx((0.40, 0.15, 0.25))
    assert (found.worth.value, found.plays_cost, found.overhead) == (24_000.0, 10_000.0, 110_000.0)
    assert found.prevented.value == pytest.approx(600_000.0, abs=1e-6)
    assert found.roi.value == pytest.approx(4.0, abs=1e-12)
    assert found.roi.low < 4.0 < found.roi.high
    row = chapter(arms(100, 40, 100, 15, rules=rules)).block("programme_roi").as_dicts()[0]
    assert (row["plays"], row["overhead"], row["cost"]) == (10_000.0, 110_000.0, 120_000.0)
    assert row["roi"].value == pytest.approx(4.0)
    assert row["is_met"] is False


@given(st.floats(1, 1e6), st.floats(0, 1e6), st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0, 1e6))
def test_every_cost_lowers_the_return_and_every_saved_account_raises_it(plays, overhead, more, prevented, saved):
    base = roi(Figure(prevented), plays + overhead).value
    assert roi(Figure(prevented), plays + more + overhead).value < base
    assert roi(Figure(prevented), plays + overhead + more).value < base
    assert roi(Figure(prevented + saved), plays + overhead).value >= base


@pytest.mark.parametrize(
    ("rules", "plays", "counts", "way"),
    [
        ("overhead = 1000.0", {}, (50, 40, 50, 20), -1),
        ("", {"cost": 900.0}, (50, 40, 50, 20), -1),
        ("saved_years = 2.0", {}, (50, 40, 50, 20), 1),
        ("", {}, (50, 45, 50, 20), 1),
        ("", {}, (50, 40, 50, 30), -1),
    ],
    ids=["overhead", "dearer plays", "accounts stay longer", "more saved", "more stay naturally"],
)
def test_sign_of_everything_that_the_return_is_made_of(arms, rules, plays, counts, way):
    base = measure(arms(50, 40, 50, 20, rules="[programme]"))
    inputs = arms(*counts, rules=f"[programme]\n{rules}")
    if plays:
        inputs.engine.run(f"UPDATE play_cases SET cost_cents = {plays['cost'] * 100} WHERE is_treated")
    other = measure(inputs)
    assert np.sign(other.roi.value - base.roi.value) == way


def test_without_a_holdout_nothing_is_claimed_and_an_assumption_is_marked_wherever_it_is_used(arms):
    bare = chapter(arms(50, 40, 0, 0))
    assert not {"prevented_value", "programme_roi"} & {block.id for block in bare.blocks}
    assert bare.block("save_rate").as_dicts()[0]["natural"].value is None
    assert any("targeted, not randomised" in line for line in bare.not_measured)
    assert bare.block("targeted").as_dicts()[2]["is_allowed"] is False
    assumed = chapter(arms(50, 40, 0, 0, rules="[programme]\nnatural_save_rate = 0.4"))
    assert assumed.block("save_rate").as_dicts()[0]["effect"].value == pytest.approx(0.4)
    for id_ in ("save_rate", "prevented_value", "scorecards"):
        assert any("ASSUMED" in note for note in assumed.block(id_).notes), id_


@pytest.mark.system("R9")
def test_assumed_natural_saves_give_the_same_value_as_measured_ones(arms):
    measured = measure(arms(100, 40, 100, 15))
    assumed = measure(arms(100, 40, 0, 0, rules="[programme]\nnatural_save_rate = 0.15"))
    assert assumed.basis == "assumed"
    assert assumed.prevented.value == pytest.approx(measured.prevented.value)
    assert assumed.prevented.high - assumed.prevented.low < measured.prevented.high - measured.prevented.low


def by(inputs, block):
    return {tuple(row.values())[:2]: row for row in chapter(inputs).block(block).as_dicts()}


@pytest.mark.system("R8", "R20")
def test_save_rates_by_risk_level_tier_play_csm_and_driver(programme, build):
    plays, terms, scores = [], [], []
    for i in range(40):
        account, high = f"a{i:02d}", i % 2 == 0
        about = {"driver": "price" if high else "use", "owner": "ann" if i < 10 else "bob"}
        plays.append(build.play(account, what="call" if i < 20 else "visit", **about))
        terms.append(build.term(account, build.day(10) if i % 4 == 0 else None))
        level = {"risk_level": "high" if high else "low", "tier": "red" if high else "green"}
        scores.append({"account_id": account, "as_of": build.day(-1), "churn_probability": 0.2, **level})
    inputs = programme(plays, terms, kept={"score_history": scores})
    found = by(inputs, "save_rate_by")
    expected = {
        ("Risk level", "high"): (10, 20),
        ("Risk level", "low"): (20, 20),
        ("Tier", "red"): (10, 20),
        ("Tier", "green"): (20, 20),
        ("Play", "call"): (15, 20),
        ("Play", "visit"): (15, 20),
        ("CSM", "ann"): (7, 10),
        ("CSM", "bob"): (23, 30),
        ("Driver", "price"): (10, 20),
        ("Driver", "use"): (20, 20),
    }
    assert {key: (row["save_rate"].value, row["cases"]) for key, row in found.items()} == {
        key: (saved / n, n) for key, (saved, n) in expected.items()
    }
    assert found["Risk level", "high"]["is_met"] is False
    matrix = by(inputs, "play_by_risk")
    assert {key: (row["save_rate"].value, row["save_rate"].n) for key, row in matrix.items()} == {
        ("call", "high"): (0.5, 10),
        ("call", "low"): (1.0, 10),
        ("visit", "high"): (0.5, 10),
        ("visit", "low"): (1.0, 10),
    }


@pytest.mark.system("R8", "R20")
def test_rates_of_few_cases_are_not_told_and_their_number_is(programme, build):
    plays = [build.play(f"a{i}", owner="ann" if i < 4 else "bob") for i in range(9)]
    found = by(programme(plays), "save_rate_by")
    assert found["CSM", "ann"]["save_rate"] == Figure(None, 4)
    assert found["CSM", "bob"]["save_rate"].value == 1.0


def test_keepwells_own_holdout_compares_accounts_from_the_day_they_were_drawn(programme, build):
    """80 drawn for plays, 60 of them treated; 20 held out. Saved: 70 of 80 and 10 of 20."""
    plays, terms, drawn = [], [], []
    for i in range(100):
        account, held = f"a{i:03d}", i >= 80
        drawn.append({"account_id": account, "arm": "holdout" if held else "treated", "at": build.day(-3)})
        if i < 60:
            plays.append(build.play(account))
        terms.append(build.term(account, build.day(9) if (i % 8 == 0 and not held) or i >= 90 else None))
    found = measure(programme(plays, terms, kept={"holdout_history": drawn}))
    assert found.basis == "held-out accounts"
    assert found.effect.value == pytest.approx((70 / 80 - 10 / 20) / (60 / 80))


def test_a_save_rates_interval_is_wilsons_where_accounts_have_one_case(arms):
    found = measure(arms(60, 45, 0, 0)).save_rate
    assert (found.low, found.high) == pytest.approx((share(45, 60).low, share(45, 60).high), abs=0.005)
