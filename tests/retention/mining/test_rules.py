"""Rules mined from snapshots: found where planted, with their true lift, and not in noise."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.declare import Direction, Feature
from retention import house
from retention.figures import UNKNOWN as UNTOLD
from retention.mining.rules import Candidate, Finding, Rule, chosen, lift_of, mine, readable
from retention.mining.snapshots import Snapshots

GATES = house.load().mining
START, DAY = np.datetime64("2023-01-01", "us"), np.timedelta64(1, "D")
RISKIER, SAFER, UNKNOWN = Direction.RISKIER, Direction.SAFER, Direction.UNKNOWN


def number(name="days_silent", unit="days", more_is=RISKIER):
    return Candidate(Feature(name, name, name, unit, "0", more_is, component="usage", scan="usage"))


def rows(table: list[tuple[Any, ...]]):
    """Snapshots from (account, day, day of the loss in its window or None); values are 0."""
    lost = [None if row[2] is None else START + row[2] * DAY for row in table]
    return Snapshots(
        accounts=np.array([row[0] for row in table]),
        moments=np.array([START + row[1] * DAY for row in table]),
        churned=np.array([day is not None for day in lost]),
        lost_at=np.array([np.datetime64("NaT") if day is None else day for day in lost], dtype="datetime64[us]"),
        value=np.zeros(len(table)),
    )


def silent_company(*, accounts=1200, months=18, times=6.0, base=0.015, seed=0, share=0.15):
    """Monthly snapshots. Silence comes in spells of half a year on average; beyond ten days churn is `times` as likely.

    Returns the snapshots, days of silence, which rows are later ones, and the true risk of each row.
    """
    rng, table, silence, risks = np.random.default_rng(seed), [], [], []
    for account in range(accounts):
        silent = rng.random() < share
        for month in range(months):
            silent = rng.random() < (0.85 if silent else share * 0.15 / (1 - share))
            days = float(rng.integers(10, 40) if silent else rng.integers(0, 10))
            risk = base * (times if silent else 1.0)
            leaves = rng.random() < risk
            table.append((f"a{account:04}", 28 * month, 28 * month + int(rng.integers(1, 28)) if leaves else None))
            silence.append(days)
            risks.append(risk)
            if leaves:
                break
    later = np.array([row[1] >= 28 * 12 for row in table])
    return rows(table), np.array(silence), later, np.array(risks)


def test_an_alarm_lasts_while_its_rule_holds_and_leads_from_its_beginning():
    held = rows([("a", 0, None), ("a", 28, None), ("a", 56, None), ("a", 84, 100), ("b", 84, None), ("b", 196, 200)])
    holds = np.array([True, False, True, True, True, True])
    assert held.alarms(holds).tolist() == [0, -1, 1, 1, 2, 3], "b was not looked at in between"
    assert held.lead_days(holds, np.ones(6, dtype=bool)).tolist() == [44.0, 4.0]
    assert held.lead_days(holds, held.moments > START + 90 * DAY).tolist() == [4.0], "one loss lies outside"
    assert held.losses(np.ones(6, dtype=bool)).tolist() == [0, 1]


@pytest.mark.system("H13")
def test_a_planted_rule_is_found_with_its_true_lift_within_the_interval():
    inside = 0
    for seed in range(20):
        snapshots, days, later, risk = silent_company(seed=seed)
        (found,) = mine(snapshots, [(number(), days)], ~later, later, GATES)
        assert found.rule.bound == "at_least"
        assert found.rule.threshold in (10, 14), "from 10 days on it is all one"
        truth = risk[later & (days >= found.rule.threshold)].mean() / risk[later].mean()
        inside += found.lift.low <= truth <= found.lift.high
        assert found.q < 0.001
        assert 0.03 < found.share < 0.15
    assert inside >= 17, "a 95 % interval misses 17 of 20 less than once in thousand times"


@pytest.mark.system("H13")
def test_a_rule_that_passes_every_gate_is_accepted_and_each_failure_is_named():
    snapshots, days, later, _ = silent_company()
    (found,) = mine(snapshots, [(number(), days)], ~later, later, GATES)
    assert found.failed == ()
    assert found.lift.value > 2
    assert found.lead.value >= 30
    assert found.coverage.value >= 0.25
    strict = GATES.model_copy(update={"least_lift": 9.0, "least_lead_days": 300, "least_coverage": 0.3})
    (found,) = mine(snapshots, [(number(), days)], ~later, later, strict)
    assert found.failed == ("lift below 9", "lead below 300 days")


@pytest.mark.system("H13")
def test_noise_gives_no_rules():
    accepted = 0
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        snapshots, days, later, _ = silent_company(accounts=500, times=1.0, seed=100 + seed)
        noise = [(number(f"n{i}", "points", UNKNOWN), rng.standard_normal(len(days))) for i in range(20)]
        found = mine(snapshots, [(number(), days), *noise], ~later, later, GATES)
        accepted += sum(not one.failed for one in found)
    assert accepted <= 1


def test_a_threshold_is_chosen_on_the_earlier_period_alone():
    snapshots, days, later, _ = silent_company(seed=3)
    (found,) = mine(snapshots, [(number(), days)], ~later, later, GATES)
    told = np.where(later, np.where(snapshots.churned, 100.0, 0.0), days)
    (other,) = mine(snapshots, [(number(), told)], ~later, later, GATES)
    assert other.rule == found.rule


def test_an_account_that_repeats_itself_counts_once():
    rng = np.random.default_rng(5)
    held = rng.random(200) < 0.3
    holds = np.repeat(held, 6)
    left = rng.random(200) < np.where(held, 0.5, 0.15)
    churned = np.repeat(left, 6) & (np.tile(np.arange(6), 200) >= 2)  # four snapshots lie in the window of one loss
    account = np.repeat(np.arange(200), 6)
    figure, p = lift_of(holds, churned, account)
    drawn = []
    for _ in range(2000):
        rows_ = (rng.integers(0, 200, 200)[:, None] * 6 + np.arange(6)).ravel()
        drawn.append(churned[rows_][holds[rows_]].mean() / churned[rows_].mean())
    assert figure.value == pytest.approx(churned[holds].mean() / churned.mean())
    assert [figure.low, figure.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.06)
    assert p < 0.001


def test_the_p_value_of_no_effect_is_uniform():
    rng, ps = np.random.default_rng(8), []
    for _ in range(300):
        holds, churned = rng.random(900) < 0.3, rng.random(900) < 0.1
        ps.append(lift_of(holds, churned, np.arange(900) // 3)[1])
    assert abs(np.mean(ps) - 0.5) < 0.06
    assert np.mean(np.array(ps) < 0.05) < 0.09


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        pytest.param("days", [1.2, 9, 11, 13, 400], {1.0, 10.0, 14.0, 365.0}, id="days a person would say"),
        pytest.param("share", [0.111, 0.52], {0.1, 0.5}, id="shares in steps of five"),
        pytest.param("events", [0, 12, 1234], {0.0, 12.0, 1200.0}, id="two digits"),
        pytest.param("yes/no", [0, 1], {1.0}, id="yes"),
        pytest.param("days", [np.nan], set(), id="nothing known"),
    ],
)
def test_thresholds_are_readable(unit, values, expected):
    found = readable(np.array(values, dtype=float), number("x", unit), "at_least")
    assert expected <= set(found)
    assert found == sorted(set(found))


def test_an_unknown_number_never_warns():
    values = np.array([np.nan, 5.0, 12.0])
    assert Rule(number(), "at_least", 10.0).holds(values).tolist() == [False, False, True]
    assert Rule(number(), "at_most", 10.0).holds(values).tolist() == [False, True, False]


@given(st.lists(st.sets(st.integers(0, 7), max_size=4), min_size=1, max_size=5))
def test_chosen_rules_each_add_and_together_warn_of_all_that_any_warns_of(caught):
    held = rows([(f"a{i}", 0, 5) for i in range(8)])
    everywhere = np.ones(8, dtype=bool)
    rules = []
    for n, losses in enumerate(caught):
        column = np.array([1.0 if i in losses else 0.0 for i in range(8)])
        rules.append((_tested(Rule(number(f"r{n}", "events"), "at_least", 1.0)), column))
    picked = chosen(held, rules, everywhere, enough=1.0)
    union = set().union(*caught)
    assert (picked[-1][1].value if picked else 0.0) == len(union) / 8
    shares = [0.0, *(figure.value for _, figure in picked)]
    assert all(a < b for a, b in pairwise(shares))
    assert len(chosen(held, rules, everywhere, enough=0.01)) <= 1


def _tested(rule):
    return Finding(rule=rule, share=0, rate=UNTOLD, lift=UNTOLD, coverage=UNTOLD, lead=UNTOLD, p=1.0)
