"""The policy's rules over a history: as the service reads them, and at other thresholds."""

from datetime import datetime

import numpy as np
import pytest

from features.config import Settings
from features.declare import Direction, Feature
from retention.conditions import Condition, Test
from serving import policy
from training.past import of_history
from training.split import Split, forward_folds
from training.tuning import COUNTED, Facts, chapter, components_that_warn, holds, stricter

RULES = policy.load()
ASKED = (
    *("events_28d", "active_days_28d", "event_kinds_28d", "tickets_84d", "tickets_28d", "ticket_spike_28d"),
    *("usage_against_baseline_28d", "days_since_last_use", "complaints_84d", "nps_last", "days_since_last_answer"),
    *("champion_left", "escalations_84d", "survey_never_answered"),
)


@pytest.fixture(scope="module")
def past(history_of):
    """60 accounts at six moments with random values, some unknown."""
    rng, n = np.random.default_rng(4), 360
    features = tuple(
        Feature(name, name, name, "", "0", Direction.UNKNOWN, component="usage", scan="usage") for name in ASKED
    )
    values = rng.integers(0, 30, (n, len(ASKED))).astype(float) / rng.choice([1, 10], n)[:, None]
    values[rng.random(values.shape) < 0.25] = 0.0
    values[rng.random(values.shape) < 0.15] = np.nan
    moment, account = np.indices((6, 60)).reshape(2, -1)
    history = history_of(features, values, [f"a{i}" for i in account], 28 * moment, rng.random(n) < 0.1)
    folds = forward_folds(history.moments, moment < 3, 28)
    return of_history(history, Split(moment < 3, moment >= 4, folds, datetime(2025, 4, 23), datetime(2025, 3, 1)))


def situation(past, row):
    def known(values):
        return {n: None if np.isnan(v) else v for n, v in zip(ASKED, values, strict=True)}

    features, usual = known(past.values[row]), known(past.usual[row])
    return policy.Situation(account_id="a", as_of=datetime(2025, 1, 1), features=features, baseline=usual)


@pytest.mark.system("K4")
def test_every_rule_holds_where_the_service_would_warn(past):
    facts = Facts(past=past)
    facts = Facts(past=past, told={COUNTED: components_that_warn(RULES, facts)})
    found = {name: holds(rule.when, facts) for name, rule in RULES.warnings.items()}
    rows = np.flatnonzero(past.later)
    warned = {row: {sign.rule for sign in policy.warning_signs(RULES, situation(past, row))} for row in rows}
    fired = set().union(*warned.values())
    assert {"W1", "W2", "W7", "W8", "W9", "W10", "W13", "W14", "W15", "W16"} <= fired
    for name, flags in found.items():
        if flags is None:
            assert name not in fired
        else:
            assert {row for row in rows if flags[row]} == {row for row in rows if name in warned[row]}, name


@pytest.mark.parametrize(
    ("bounds", "stricter_ones"),
    [
        pytest.param({"at_least": 14}, {"at_least": 28}, id="more days"),
        pytest.param({"below": 0.7}, {"below": 0.35}, id="a deeper fall"),
        pytest.param({"at_most": -2}, {"at_most": -4}, id="a deeper drop"),
        pytest.param({"above": -2}, {"above": -1}, id="above a negative number"),
        pytest.param({"at_most": 0}, {"at_most": 0}, id="nothing less than nothing"),
    ],
)
def test_twice_as_strict_holds_for_fewer(bounds, stricter_ones):
    condition = Condition(any=(Test(feature="x", **bounds),))
    (moved,) = stricter(condition, 2.0).any
    assert {name: getattr(moved, name) for name in stricter_ones} == stricter_ones


@pytest.mark.system("K4")
def test_the_report_names_each_rule_and_what_it_cannot_judge(past, tmp_path):
    given = {"root": tmp_path, "sources": {"usage": {"path": "u.csv"}}, "churn": {"kind": "inactivity"}}
    told = chapter(Settings.model_validate(given), past, RULES)
    rows = [row for row in told.block("tuning").as_dicts() if row["rule"] == "W13"]
    assert [row["at"] for row in rows if row["used"]] == ["as it is"]
    assert len(rows) > 2
    recalls = [row["recall"].value for row in rows]
    assert recalls == sorted(recalls, reverse=True), "from loose to strict"
    assert any(line.startswith("tiers, and warnings that read the health score") for line in told.not_measured)
    assert any("[warnings.W11]" in line for line in told.not_measured)
