"""Facts that persons tell: what can be told, which of them counts, since when, and what follows from it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.policy import load, risk_level, situations, understood, warning_signs
from serving.store import audit, facts, tables
from serving.store.facts import DAY, Telling
from serving.telling import Teller, tell

POLICY = load()
NOW = datetime(2026, 3, 2)
OWN = """
[inputs]
sponsor_calls = "Calls with the sponsor this quarter"

[warnings.sponsor]
title = "No sponsor"
component = "relationship"
severity = "low"
when.any = [{ feature = "sponsor_calls", below = 1 }]
text = "{value} calls"
play = "csm_review"
owner = "csm"
due_in_hours = 48
"""


@pytest.fixture
def telling(store):
    """Tell a fact of an account some days ago; whether it was news."""

    def say(days_ago, name="strategic", value: float | str | None = 1, account="acme", note=None):
        teller = Teller(now=NOW, at=NOW - days_ago * DAY, key_id="k")
        with store.write() as db:
            return tell(db, POLICY, account, {name: value}, teller, note=note) == [name]

    return say


def known(store, at=NOW):
    with store.read() as db:
        return facts.numbers(db, at=at)


@pytest.mark.system("S6")
@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        pytest.param("strategic", "1", 1.0, id="text of a number"),
        pytest.param("goal_attainment", 0.4, 0.4, id="number"),
        pytest.param("org_change_days_ago", "2026-03-02", NOW, id="a date up to the moment itself"),
    ],
)
def test_what_can_be_told(name, given, read):
    assert understood(POLICY, name, given, at=NOW) == read


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        pytest.param("mood", 1, r"mood is nothing that the policy asks for; tell strategic", id="no such input"),
        pytest.param("goal_attainment", 40, "at least 0 and at most 1; got 40", id="percent for a share"),
        pytest.param("strategic", -1, "at least 0", id="below its least"),
        pytest.param("strategic", "yes", "told as a number; got yes", id="word for a number"),
        pytest.param("strategic", "nan", "got nan", id="no number"),
        pytest.param("org_change_days_ago", 12, "told as a date, YYYY-MM-DD; got 12", id="days for a date"),
        pytest.param("org_change_days_ago", "2026-02-30", "told as a date", id="no such day"),
        pytest.param("org_change_days_ago", "2026-03-03", "lies after 2026-03-02", id="a date of the future"),
    ],
)
def test_what_cannot(name, given, message):
    with pytest.raises(ServingError, match=message):
        understood(POLICY, name, given, at=NOW)


def test_an_input_of_the_companys_own_can_be_told_and_warned_on(store, tmp_path):
    own = tmp_path / "policy.toml"
    own.write_text(OWN, encoding="utf-8")
    policy = load(own)
    with store.write() as db:
        assert tell(db, policy, "acme", {"sponsor_calls": "0"}, Teller(now=NOW, at=NOW)) == ["sponsor_calls"]
    with pytest.raises(ServingError, match="sponsor_calls is nothing"):
        understood(POLICY, "sponsor_calls", 0, at=NOW)
    found = warning_signs(policy, alone(policy, known(store)))
    assert [(sign.rule, sign.text) for sign in found] == [("sponsor", "0 calls")]


def test_the_newest_counts_and_the_older_ones_stay(store, telling):
    assert telling(5, value=1)
    assert telling(3, value=0)
    assert known(store) == {"acme": {"strategic": 0.0}}
    assert known(store, NOW - 4 * DAY) == {"acme": {"strategic": 1.0}}
    with store.read() as db:
        assert [fact.value for fact in facts.history(db, "acme")] == [0.0, 1.0]


def test_a_moment_belongs_to_the_facts_told_at_it_and_not_an_instant_later(store, telling):
    telling(0)
    assert known(store, NOW) == {"acme": {"strategic": 1.0}}
    assert known(store, NOW - timedelta(microseconds=1)) == {}


@pytest.mark.system("W11")
def test_a_date_ages_by_itself(store, telling):
    telling(10, "org_change_days_ago", "2026-02-10")
    for days in (0, 1, 100):
        assert known(store, NOW + days * DAY) == {"acme": {"org_change_days_ago": 20.0 + days}}


def test_what_is_taken_back_is_not_known_any_more(store, telling):
    telling(5)
    assert telling(1, value=None)
    assert known(store) == {}
    assert known(store, NOW - 2 * DAY) == {"acme": {"strategic": 1.0}}
    with store.read() as db:
        assert [fact.is_told for fact in facts.history(db, "acme")] == [False, True]


def test_the_same_again_or_taking_back_what_nobody_told_writes_nothing(store, telling):
    assert not telling(9, value=None)
    assert telling(5)
    assert not telling(4)
    assert telling(3, note="the board says so")
    assert not telling(2, note="the board says so")
    with store.read() as db:
        assert len(facts.history(db, "acme")) == 2
        entries = audit.recent(db, subject="acme")
    assert [(e.action, e.key_id, e.detail) for e in entries] == [("set fact", "k", {"name": "strategic"})] * 2


def test_the_past_cannot_be_told_anew(store, telling):
    telling(5)
    with pytest.raises(ServingError, match=r"strategic of acme was told as of 2026-02-25 00:00 last"):
        telling(6, value=0)
    assert telling(6, "goal_attainment", 0.3), "of another name it can"


def test_of_several_facts_none_is_kept_if_one_cannot_be(store):
    with pytest.raises(ServingError), store.write() as db:
        tell(db, POLICY, "acme", {"strategic": 1, "goal_attainment": 7}, Teller(now=NOW, at=NOW))
    assert known(store) == {}


TELLINGS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 9), st.booleans()), max_size=12)


@given(TELLINGS, st.integers(-1, 4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_at_every_moment_the_last_telling_by_then_is_in_force(store, tellings, days):
    """Against a replay by hand: of two at one moment the later written counts."""
    with store.write() as db:
        db.execute(tables.facts.delete())
        for day, account, value, is_told in sorted(tellings, key=lambda t: t[0]):
            number = float(value) if is_told else None
            told = Telling(account_id=account, name="x", at=NOW + day * DAY, by="k", value=number)
            facts.tell(db, told)
    replayed = {}
    for day, account, value, is_told in sorted(tellings, key=lambda t: t[0]):
        if day <= days:
            replayed[account] = float(value) if is_told else None
    at = NOW + days * DAY
    assert known(store, at) == {a: {"x": v} for a, v in replayed.items() if v is not None}


def alone(policy, told):
    """The situation of one account of which nothing but facts is known."""
    moment = pa.timestamp("us")
    book = pa.table(
        {
            "account_id": ["acme"],
            "as_of": pa.array([NOW], moment),
            **{name: pa.array([None], pa.string()) for name in ("segment", "owner")},
            **{
                name: pa.array([value], pa.float64())
                for name, value in (("health_score", 40.0), ("churn_probability", None), ("yearly_value", None))
            },
            "value_at_risk": pa.array([None], pa.float64()),
            "inactive": pa.array([None], pa.bool_()),
            "reasons": pa.array([[]], pa.list_(pa.string())),
        }
    )
    empty = pa.table({"account_id": ["acme"]})
    (found,) = situations(policy, book, features=empty, baseline=empty, inputs=told)
    return found


@pytest.mark.system("W11", "S6")
@pytest.mark.parametrize(
    ("name", "value", "rule", "play"),
    [
        pytest.param("org_change_days_ago", "2026-01-01", "W11", "strategic_shift", id="their organisation changed"),
        pytest.param("competitor_days_ago", "2026-01-01", "competitor", "competition", id="a competitor was seen"),
        pytest.param("goal_attainment", 0.4, "goals", "value", id="they miss their goals"),
    ],
)
def test_a_fact_warns(store, telling, name, value, rule, play):
    telling(1, name, value)
    (sign,) = warning_signs(POLICY, alone(POLICY, known(store)))
    assert (sign.rule, sign.play) == (rule, play)


def test_an_old_change_and_reached_goals_warn_of_nothing(store, telling):
    telling(1, "org_change_days_ago", "2025-11-01")
    telling(1, "competitor_days_ago", "2025-11-01")
    telling(1, "goal_attainment", 0.5)
    assert warning_signs(POLICY, alone(POLICY, known(store))) == ()


def test_a_strategic_account_in_the_red_is_a_high_risk(store, telling):
    assert risk_level(POLICY, alone(POLICY, {})).level == "medium"
    telling(1)
    found = risk_level(POLICY, alone(POLICY, known(store)))
    assert (found.level, found.because) == ("high", ("health is red", "marked as a strategic account"))
    assert risk_level(POLICY, replace(alone(POLICY, {}), inputs={"strategic": 0.0})).level == "medium"
