"""What pages work out by themselves: rounding that adds up, the waterfall, sliders, and what moved."""

from datetime import datetime, timedelta
from math import fsum, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.bundle import FeatureSpec
from serving.calibration import sigmoid
from serving.pages import explained, moves, whatif, words
from serving.pages.events import happened
from serving.policy import load
from serving.store.accounts import Past
from serving.store.runs import Run
from serving.store.scores import Score, Scored

DAY = datetime(2026, 1, 5)
POLICY = load()
terms = st.floats(-2, 2, allow_nan=False)


@given(parts=st.lists(st.floats(-100, 100), min_size=1, max_size=60))
def test_rounded_parts_add_up_and_stay_near(parts):
    rounded = words.adding_up(parts, fsum(parts))
    assert fsum(rounded) == pytest.approx(round(fsum(parts), 1), abs=1e-9)
    assert max(abs(a - b) for a, b in zip(rounded, parts, strict=True)) < 0.1 + 1e-9


@given(log_odds=st.lists(terms, min_size=1, max_size=40), intercept=terms)
def test_a_waterfall_leads_from_the_base_to_the_probability(log_odds, intercept):
    """However many signals there are: exactly, as rounded, and each bar where the one before ended."""
    drivers = [{"component": "usage", "signal": f"s{i}", "log_odds": x} for i, x in enumerate(log_odds)]
    end = float(sigmoid(intercept + fsum(log_odds)))
    score = Score(account_id="a", churn_probability=end, intercept=intercept)
    found = explained.waterfall(Scored(score=score, detail={"drivers": drivers}), [])
    assert len(found.steps) == min(len(log_odds), explained.MOST_STEPS + 1)
    assert found.base + fsum(step.move.points for step in found.steps) == pytest.approx(100 * end, abs=1e-6)
    assert fsum(step.move.log_odds for step in found.steps) == pytest.approx(fsum(log_odds))
    assert found.base_said + fsum(step.said for step in found.steps) == pytest.approx(found.probability_said)
    assert [step.start for step in found.steps] == [found.base, *(step.end for step in found.steps[:-1])]


def test_a_reason_has_its_step_and_the_same_number_there():
    """The stored reason is the weakest of twelve signals; it is told one by one all the same."""
    drivers = [{"component": "usage", "signal": f"s{i}", "log_odds": 1.0 - i / 12} for i in range(12)]
    total = fsum(driver["log_odds"] for driver in drivers)
    reason = {"component": "usage", "signal": "s11", "feature": "f", "text": "t", "value": 1.0, "baseline": None}
    reason |= {"contribution": 1 / 12, "contribution_pp": 0.4, "peer_percentile": None}
    score = Score(account_id="a", churn_probability=float(sigmoid(total - 4)), intercept=-4.0)
    scored = Scored(score=score, detail={"drivers": drivers, "reasons": [reason]})
    found = explained.waterfall(scored, [])
    (step,) = [step for step in found.steps if step.move.signal == ("usage", "s11")]
    (told,) = explained.told_reasons(scored, [], found)
    assert (told["said"], step.move.text) == (step.said, "t")


def test_without_a_model_there_is_no_waterfall():
    assert explained.waterfall(Scored(score=Score(account_id="a", health_score=50.0)), []) is None


def spec(name, unit="days", more_is="safer", categories=()):
    return FeatureSpec(name, "usage", name, name, unit, more_is, categories)


@pytest.mark.parametrize(
    ("one", "value", "seen", "expected"),
    [
        pytest.param(spec("d"), 3.0, (0.0, 28.0), (0.0, 28.0, 1.0), id="whole days"),
        pytest.param(spec("d", "share"), 0.5, (0.0, 1.0), (0.0, 1.0, 0.05), id="a share in twentieths"),
        pytest.param(spec("d"), 400.0, (0.0, 28.0), (0.0, 400.0, 10.0), id="reaches to where the account is"),
        pytest.param(spec("d"), None, (0.0, 28.0), (0.0, 28.0, 1.0), id="unknown"),
        pytest.param(spec("d", more_is="unknown"), 3.0, (0.0, 28.0), None, id="nobody knows which way is better"),
        pytest.param(spec("d", "yes/no"), 1.0, (0.0, 1.0), None, id="no quantity"),
        pytest.param(spec("d", "level", "safer", ("a", "b")), 1.0, (0.0, 1.0), None, id="a category"),
        pytest.param(spec("d"), 3.0, (3.0, 3.0), None, id="never anything else"),
    ],
)
def test_sliders(one, value, seen, expected):
    scored = Scored(score=Score(account_id="a"), features=[value])
    found = [(s.low, s.high, s.step) for s in whatif.sliders(scored, [one], {"d": seen})]
    assert found == ([] if expected is None else [expected])


def test_sliders_begin_with_what_was_told():
    specs = [spec(name) for name in ("a", "b", "c")]
    drivers = [{"component": "usage", "signal": n, "log_odds": x} for n, x in (("a", 0.1), ("b", 0.2), ("c", -0.9))]
    scored = Scored(
        score=Score(account_id="x"),
        features=[1.0, 1.0, 1.0],
        detail={"drivers": drivers, "reasons": [{"feature": "a"}]},
    )
    seen = dict.fromkeys("abc", (0.0, 9.0))
    assert [slider.feature for slider in whatif.sliders(scored, specs, seen)] == ["a", "c", "b"]


def moved(before, now, stored=None):
    return moves.Moved(
        account_id="a", name="A", tier_before="green", tier="red", health_before=before, health=now, change=stored,
        top_driver_1="today's driver", top_driver_2=None,
    )  # fmt: skip


STORED = {"points": -20.0, "weights": -2.0, "model": 0.0, "staleness": 0.0, "movers": [{"text": "logins: 6, now 2"}]}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(moved(80.0, 60.0, STORED), (("logins: 6, now 2",), (("weights", -2.0),)), id="explained"),
        pytest.param(moved(90.0, 60.0, STORED), (("today's driver",), ()), id="the stored move is another"),
        pytest.param(moved(None, 60.0), (("today's driver",), ()), id="new"),
    ],
)
def test_why_an_account_moved(one, expected):
    assert (one.why, one.parts) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [([0, 7, 14], 7), ([0, 1, 13, 14], 1), ([12, 13, 14], 12), ([14], None)],
    ids=["weekly", "daily", "all younger: the oldest", "the first run"],
)
def test_the_run_a_week_before(days, expected):
    past = [
        Run(as_of=DAY + timedelta(d), model_version="1", policy_digest="p", scored_at=DAY, id=d, accounts=1)
        for d in days
    ]
    found = moves.a_week_before(past, past[-1])
    assert (found.id if found else None) == expected


def test_a_change_of_tier_is_an_event():
    scores = [(80.0, "green"), (60.0, "yellow"), (60.5, "yellow"), (None, None)]
    past = [
        Past(DAY + timedelta(weeks=i), DAY, "1", Score(account_id="a", health_score=health, tier=tier))
        for i, (health, tier) in enumerate(scores)
    ]
    found = [event.text for event in happened(POLICY, past, [], [])]
    assert found == ["Neutral to Not scored", "Healthy to Neutral (\N{MINUS SIGN}20.0 points)"]


def test_parts_of_health_add_up_and_leave_out_what_is_beside_it():
    told = {
        "usage": {"score": 30.04, "weight": 0.5, "points": 15.02},
        "support": {"score": 60.06, "weight": 0.5, "points": 30.03},
        "commercial": {"log_odds": log(2)},
    }
    found = explained.parts(Scored(score=Score(account_id="a", health_score=45.05), detail={"components": told}))
    assert [part.name for part in found] == ["usage", "support", "commercial"]
    assert sum(part.said for part in found if part.said is not None) == pytest.approx(round(45.05, 1))
    assert found[-1].weight is None
