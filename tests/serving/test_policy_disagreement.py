"""Health and churn probability that contradict each other: the green among the riskiest, the red among the safe."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.policy import Situation, load
from serving.policy.disagreement import disagreements

POLICY = load()
NOW = datetime(2026, 3, 2)


def book(*accounts):
    """Accounts a, b, c … of (tier, churn probability)."""
    return [
        Situation(account_id=chr(97 + i), as_of=NOW, tier=tier, churn_probability=probability)
        for i, (tier, probability) in enumerate(accounts)
    ]


def ten(*first):
    """Ten accounts: these, and yellow ones between them."""
    return book(*first, *(("yellow", 0.5 + i / 100) for i in range(10 - len(first))))


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        pytest.param(ten(("green", 0.9)), {"a": "hidden_risk"}, id="green and the riskiest of ten"),
        pytest.param(ten(("green", 0.9), ("red", 0.95)), {}, id="green and the second riskiest of ten"),
        pytest.param(ten(("green", 0.9), ("green", 0.9)), {"a": "hidden_risk", "b": "hidden_risk"}, id="two alike"),
        pytest.param(ten(("green", 0.1)), {}, id="green and safe"),
        pytest.param(ten(("red", 0.1)), {"a": "overstated_risk"}, id="red and the safest"),
        pytest.param(ten(("red", 0.9)), {}, id="red and the riskiest"),
        pytest.param(ten(("yellow", 0.9), ("yellow", 0.1)), {}, id="the middle tier contradicts nothing"),
        pytest.param(ten(("green", None), (None, 0.9)), {}, id="not known is no contradiction"),
        pytest.param([], {}, id="nobody"),
    ],
)
def test_who_disagrees(accounts, found):
    assert disagreements(POLICY, accounts) == found


def test_the_shares_are_the_policys():
    wide = POLICY.disagreement.model_copy(update={"riskiest_share": 0.2})
    policy = POLICY.model_copy(update={"disagreement": wide})
    assert disagreements(policy, ten(("green", 0.9), ("red", 0.95))) == {"a": "hidden_risk"}


ACCOUNTS = st.tuples(st.sampled_from(["green", "yellow", "red"]), st.floats(0, 1) | st.none())


@given(st.lists(ACCOUNTS, max_size=20))
def test_by_counting_one_by_one(accounts):
    known = [p for _, p in accounts if p is not None]
    expected = {}
    for i, (tier, p) in enumerate(accounts):
        if p is None:
            continue
        if tier == "green" and sum(q > p for q in known) < 0.1 * len(known):
            expected[chr(97 + i)] = "hidden_risk"
        if tier == "red" and sum(q < p for q in known) < 0.5 * len(known):
            expected[chr(97 + i)] = "overstated_risk"
    assert disagreements(POLICY, book(*accounts)) == expected
