"""What alarms are worth: counted by hand, from snapshots and from what was kept."""

import numpy as np
import pytest

from retention import house
from retention.mining import kept
from retention.mining.snapshots import Snapshots
from retention.mining.tuning import Trial, below, block, judged

START, DAY = np.datetime64("2024-01-01", "us"), np.timedelta64(1, "D")


@pytest.fixture
def weekly():
    """Three accounts over four weeks; b is lost three days after the last of them, worth 1,000 a year."""
    account = np.repeat(["a", "b", "c"], 4)
    day = np.tile([0, 7, 14, 21], 3)
    churned = (account == "b") & (day == 21)
    return Snapshots(
        accounts=account,
        moments=START + day * DAY,
        churned=churned,
        lost_at=np.where(churned, START + 24 * DAY, np.datetime64("NaT")),
        value=np.full(12, 1000.0),
    )


HEALTH = np.array([80.0, 40, 80, 40, 80, 80, 60, 30, 40, 40, 40, 40])


@pytest.mark.system("K4")
def test_alarms_are_counted_with_their_precision_recall_and_false_ones_a_week(weekly):
    everywhere = np.ones(12, dtype=bool)
    found = judged(weekly, HEALTH < 50, everywhere)
    assert (found.begun, found.false, found.weeks) == (4, 3, 4.0)
    assert (found.precision.value, found.recall.value, found.value) == (0.25, 1.0, 1000.0)
    assert found.break_even(cost=50, margin=0.8) == 4 * 50 / (1000 * 0.8)
    late = judged(weekly, HEALTH < 50, weekly.moments >= START + 14 * DAY)
    assert (late.begun, late.weeks) == (3, 2.0), "c's alarm was on before"
    none = judged(weekly, HEALTH < 0, everywhere)
    assert (none.begun, none.precision.value, none.recall.value, none.break_even(50, 0.8)) == (0, None, 0.0, None)


@pytest.mark.system("K4")
def test_the_report_holds_thresholds_against_each_other(weekly):
    rules = house.load()
    trials = below(weekly, HEALTH, np.ones(12, dtype=bool), [70, 50, 0])
    told = block(trials, rules, "Over four weeks.")
    rows = {row["at"]: row for row in told.as_dicts()}
    assert list(rows) == [f"below {floor}" for floor in (30, 40, 50, 60, 70, 80, 90)]
    assert [at for at, row in rows.items() if row["used"]] == ["below 50", "below 70"]
    assert rows["below 50"]["alarms"] == 1.0
    assert rows["below 50"]["false"] == 0.75
    assert rows["below 50"]["cost"] == rules.mining.alarm_cost
    assert rows["below 50"]["precision"].value is None, "four alarms are too few for a share"
    assert rows["below 40"]["recall"].value == 1.0
    assert rows["below 30"]["recall"].value == 0.0
    assert isinstance(trials[0], Trial)


@pytest.mark.system("K4")
def test_kept_warnings_and_scores_are_held_against_what_happened(measured):
    term = {"plan": "pro", "mrr": 100.0, "started_at": "2023-01-01", "known_at": "2023-01-01"}
    terms = [
        {"account_id": "a", **term},
        {"account_id": "b", **term, "ended_at": "2024-11-15", "cancel_reason": "price"},
    ]
    terms.append({"account_id": "c", **term, "ended_at": "2024-11-16", "cancel_reason": "payment failure"})
    score = {"yearly_value": 1200.0}
    scores = [
        score | {"account_id": account, "as_of": f"2024-{day}", "health_score": health, "tier": tier}
        for account, day, health, tier in [
            ("a", "10-27", 72.0, "green"),
            ("a", "11-03", 55.0, "yellow"),
            ("a", "12-30", 12.0, "red"),
            ("b", "10-27", 52.0, "yellow"),
            ("b", "11-03", 31.0, "red"),
            ("c", "10-27", 20.0, "red"),
        ]
    ]
    signs = [
        {"account_id": "a", "rule": "W1", "at": "2024-10-27", "closed_at": "2024-11-03"},
        {"account_id": "b", "rule": "W1", "at": "2024-11-03"},
        {"account_id": "a", "rule": "W2", "at": "2024-10-20", "closed_at": "2024-10-25"},
    ]
    inputs = measured(
        "2025-01-01",
        toml='[churn]\nkind = "contract"\nhorizon_days = 28\nobserved_until = 2025-01-01',
        rules="[programme]\nfewest = 1",
        subscriptions=terms,
        kept={"score_history": scores, "sign_history": signs},
    )
    rows = {(row["rule"], row["at"]): row for row in kept.tuning(inputs).as_dicts()}
    warned = rows["W1", "as raised"]
    assert ("W2", "as raised") not in rows, "it was closed before the first run"
    assert (warned["alarms"], warned["false"]) == (1.0, 0.5)
    assert (warned["precision"].value, warned["recall"].value, warned["value"]) == (0.5, 1.0, 1200.0)
    red = rows["health", "below 50"]
    assert (red["alarms"], red["precision"].value) == (0.5, 1.0), "c left by no choice, the last run is still open"
    assert [at for (rule, at), row in rows.items() if rule == "health" and row["used"]] == ["below 52", "below 72"]


def test_without_a_closed_run_there_is_nothing_to_judge(measured):
    term = {"account_id": "a", "plan": "pro", "mrr": 1.0, "started_at": "2023-01-01"}
    assert kept.tuning(measured(toml='[churn]\nkind = "contract"', subscriptions=[term])) is None
