"""The value report and the state of one account; nothing later than the moment changes either."""

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.contracts import SOURCES
from retention.errors import RetentionError
from retention.journey.chapter import chapter
from retention.journey.state import account_state
from retention.journey.value import percentile, value_report


@pytest.fixture
def company_of(term, uses):
    """Six peers that used it 1 to 6 days in December, `a` the fourth; `a` used it twice as much as in the summer."""
    names = ["p1", "p2", "p3", "a", "p5", "p6"]
    usage = [row for i, name in enumerate(names) for row in uses(name, [f"2024-12-{10 + d}" for d in range(i + 1)])]
    usage += [*uses("a", ["2024-07-10", "2024-07-11"], ["login"]), *uses("p1", ["2024-01-01"])]
    return {
        "subscriptions": [term(name, "2024-03-01") for name in names],
        "accounts": [{"account_id": name, "segment": "smb"} for name in names],
        "usage": usage,
        "kept": {"fact_history": [{"account_id": "a", "name": "goal_attainment", "at": "2024-11-01", "value": 0.75}]},
    }


@pytest.mark.system("S12", "D11")
def test_the_value_report_tells_milestones_value_gained_and_peers(measured, company_of):
    rules = "[value]\nperiod_days = 91\nworth = { login = 75.0 }\n"
    found = value_report(measured("2025-01-01", rules=rules, **company_of), "a")
    assert (found.milestones[0].title, f"{found.milestones[0].at:%m-%d}") == ("First use", "07-10")
    gained = {g.title: (g.now, g.before) for g in found.gained}
    assert gained["Days of use"] == (4, 2)
    assert gained["Times used"] == (4, 2)
    assert found.peers[0].title == "Days of use in 28"
    assert (found.peers[0].percentile, found.peers[0].peers) == (0.6, 5), "more than three of five peers"
    assert found.worth == 300
    assert found.paid == pytest.approx(100 * 12 * 91 / 365)
    text = found.as_markdown()
    for said in ("+100% against the period before", "75% of the goals", "1.0 times what was paid", "| First use |"):
        assert said in text


@pytest.mark.system("D11")
def test_a_percentile_counts_equals_half():
    assert percentile(5, [1, 2, 3, 4]) == 1
    assert percentile(0, [1, 2, 3, 4]) == 0
    assert percentile(2, [2, 2, 2]) == 0.5


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 5))
def test_a_percentile_is_the_mean_of_below_and_not_above(others, value):
    below, not_above = sum(o < value for o in others), sum(o <= value for o in others)
    assert percentile(value, [float(o) for o in others]) == pytest.approx((below + not_above) / 2 / len(others))


def test_who_is_no_customer_has_no_report(measured, company_of):
    with pytest.raises(RetentionError, match="nobody is no customer as of 2025-01-01"):
        value_report(measured("2025-01-01", **company_of), "nobody")


@pytest.mark.system("S1", "S2", "D8")
def test_the_state_of_an_account_is_plain_and_whole(measured, company_of):
    inputs = measured("2025-01-01", **company_of)
    state = account_state(inputs, "a")
    told = state.as_json()
    assert (told["stage"], told["age_days"], told["next_step"]) == ("renewal", 306, "first_value")
    assert told["milestones"]["first_use"] == "2024-07-10T09:00:00"
    assert [phase["phase"] for phase in told["phases"]] == ["adoption", "pre_renewal"]
    assert account_state(inputs, "nobody") is None


CUT = datetime(2025, 1, 1)
OBSERVED = '[churn]\nobserved_until = "2025-01-01"\n'


ACCOUNTS = [f"a{i:02d}" for i in range(12)]


def _later(rng, random_rows):
    """Rows that happen after the cut, or before it and become known after it."""
    drawn = random_rows(rng, ACCOUNTS, [CUT + timedelta(days=30)], each=60, name="later")
    del drawn["accounts"]
    return {
        source: [row for row in rows if row["known_at"] > CUT or row[SOURCES[source].at] >= CUT]
        for source, rows in drawn.items()
    }


@pytest.mark.system("S1", "S2", "R23", "S11")
@pytest.mark.parametrize("seed", range(2))
def test_nothing_that_happens_or_becomes_known_after_the_moment_changes_anything(measured, random_rows, term, seed):
    rng = random.Random(seed)
    rows = random_rows(rng, ACCOUNTS, [CUT], each=14)
    rows["subscriptions"] += [term(account, "2024-03-01", plan="own", row_id=f"t{account}") for account in ACCOUNTS]
    later = _later(rng, random_rows)
    tick = {"account_id": "a00", "item": "onboarding.setup", "by": "ann", "is_done": True}
    ticks = [tick | {"at": "2024-05-01"}]
    told = chapter(measured("2025-01-01", toml=OBSERVED, kept={"check_history": ticks}, **rows)).as_json()
    assert {"steps", "overdue", "touches_due", "renewal_outcomes"} <= {block["id"] for block in told["blocks"]}
    both = {name: [*rows[name], *later.get(name, [])] for name in rows}
    ticks.append(tick | {"at": "2025-02-01", "item": "adoption.value_report"})
    assert chapter(measured("2025-01-01", toml=OBSERVED, kept={"check_history": ticks}, **both)).as_json() == told
