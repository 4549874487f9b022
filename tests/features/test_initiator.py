"""Our own outreach is not their engagement: mails and invitations alone never look like a better relationship."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.declare import Direction
from features.relationship import features

NOW = datetime(2026, 1, 1)
DAY = timedelta(days=1)
USED = [{"account_id": "a", "user_id": "u", "at": "2025-01-01", "event": "login"}]
BETTER = {feature.name: feature.more_is for feature in features()}
KINDS = ("email", "call", "meeting", "qbr", "training", "executive")


def contact(days_ago, kind="email", direction="outbound", answered=False):
    at = NOW - days_ago * DAY
    return {"account_id": "a", "at": at, "kind": kind, "direction": direction, "answered": answered, "sentiment": None}


def relationship(company, contacts):
    """The relationship features of the account, by name."""
    found = company.stage(usage=USED, touchpoints=contacts).features([("a", NOW)]).to_pylist()[0]
    return {name: found[name] for name in BETTER if name in found}


def improved(before, after):
    """Features that moved to the side that is known to be safer."""
    sign = {Direction.SAFER: 1, Direction.RISKIER: -1, Direction.UNKNOWN: 0}
    moved = {n: (after[n] if after[n] is not None else before[n]) for n in before}
    return {n for n in before if before[n] is not None and sign[BETTER[n]] * (moved[n] - before[n]) > 1e-9}


OUTREACH = st.lists(st.tuples(st.integers(1, 400), st.sampled_from(KINDS)), min_size=1, max_size=8)
HISTORY = [
    contact(30, "meeting", answered=True),
    contact(60, "email", "inbound", answered=True),
    contact(100, "email", answered=True),
    contact(120, "email", answered=False),
]


@pytest.mark.system("H5")
@given(OUTREACH)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_unanswered_outreach_never_improves_any_input(company, outreach):
    before = relationship(company, HISTORY)
    after = relationship(company, [*HISTORY, *(contact(days, kind) for days, kind in outreach)])
    assert improved(before, after) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_outreach_alone_is_no_contact_with_the_customer(company, kind):
    found = relationship(company, [contact(days, kind) for days in (20, 40, 60)])
    assert (found["two_way_contacts_84d"], found["meetings_84d"], found["executive_contacts_364d"]) == (0, 0, 0)
    assert found["days_since_two_way_contact"] is None


@pytest.mark.parametrize(
    ("contacts", "number"),
    [
        pytest.param([contact(20, direction="inbound")], 1, id="they wrote, whether we answered or not"),
        pytest.param([contact(20, answered=True)], 1, id="they answered"),
        pytest.param([contact(10, answered=True)], 0, id="too early to know"),
        pytest.param([contact(20, "meeting", answered=None)], 1, id="a meeting that nobody marked"),
        pytest.param([contact(20, "meeting", answered=True)], 1, id="a meeting they came to"),
        pytest.param([contact(20, "meeting", answered=False)], 0, id="a meeting they did not come to"),
    ],
)
def test_what_they_start_join_or_answer_counts(company, contacts, number):
    assert relationship(company, contacts)["two_way_contacts_84d"] == number
