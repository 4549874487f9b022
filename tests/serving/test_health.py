from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.health import (
    RANGES,
    TYPICAL,
    Scale,
    component_score,
    distance_from_ranges,
    health,
    shares,
    step_score,
    support_score,
    typical_health,
    typical_scores,
    weights,
)
from serving.tiers import tier_of

GOLDEN = {"usage": 80, "feedback": 75, "support": 60, "relationship": 70}


@pytest.mark.system("H9")
@pytest.mark.parametrize("order", list(permutations(GOLDEN)))
def test_golden_case_is_exact_in_every_order(order):
    score = float(typical_health({name: GOLDEN[name] for name in order}))
    assert score == 73.75
    assert float(health(GOLDEN, {name: TYPICAL[name] for name in order})) == 73.75
    assert tier_of(score) == "green"


@pytest.mark.system("H9")
def test_golden_case_is_exact_on_rows():
    rows = {name: np.array([score, 50.0, np.nan]) for name, score in GOLDEN.items()}
    assert typical_health(rows)[0] == 73.75


@pytest.mark.system("H8")
@pytest.mark.parametrize(
    ("term", "score"),
    [
        pytest.param(-1.0, 100, id="safest of history"),
        pytest.param(3.0, 0, id="riskiest of history"),
        pytest.param(0.0, 75, id="between"),
        pytest.param(9.0, 0, id="riskier than ever, clipped"),
        pytest.param(-9.0, 100, id="safer than ever, clipped"),
        pytest.param(np.nan, np.nan, id="unknown stays unknown"),
    ],
)
def test_component_score_on_a_scale_from_minus_one_to_three(term, score):
    np.testing.assert_equal(component_score(term, Scale(-1, 3)), score)


def test_component_without_spread_scores_fifty_and_weighs_nothing():
    scales = {"usage": Scale(-1, 1), "support": Scale(0.2, 0.2)}
    assert component_score([0.2, 5.0, np.nan], scales["support"]).tolist()[:2] == [50, 50]
    assert np.isnan(component_score(np.nan, scales["support"]))
    assert weights(scales) == {"usage": 1.0, "support": 0.0}


@pytest.mark.system("H6")
def test_weights_are_shares_of_the_spans():
    assert weights({"usage": Scale(-2, 1), "support": Scale(0, 1)}) == {"usage": 0.75, "support": 0.25}


def test_weights_are_equal_when_nothing_spreads():
    assert weights({"usage": Scale(0, 0), "support": Scale(1, 1)}) == {"usage": 0.5, "support": 0.5}


@pytest.mark.parametrize(("low", "high"), [(1, 0), (float("nan"), 1), (0, float("inf"))])
def test_broken_scale_is_refused(low, high):
    with pytest.raises(ServingError, match="scale"):
        Scale(low, high)


@pytest.mark.system("H7")
@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param({"usage": 80}, 80, id="one component is the score"),
        pytest.param({"usage": 80, "relationship": 25}, (0.45 * 80 + 0.1 * 25) / 0.55, id="two components"),
        pytest.param({**GOLDEN, "support": np.nan}, (36 + 18.75 + 7) / 0.8, id="NaN is missing"),
        pytest.param({**GOLDEN, "commercial": 0}, 73.75, id="components without a weight do not count"),
        pytest.param({"commercial": 40}, np.nan, id="nothing known"),
        pytest.param({}, np.nan, id="nothing at all"),
    ],
)
def test_missing_components_leave_their_weight_to_the_others(scores, expected):
    np.testing.assert_allclose(typical_health(scores), expected, rtol=1e-15)


score = st.one_of(st.none(), st.floats(0, 100))
rows = st.lists(st.tuples(score, score, score, score), min_size=1, max_size=5)


def columns(table):
    return dict(zip(TYPICAL, np.array(table, dtype=float).T, strict=True))


@given(rows)
def test_shares_times_scores_add_up_to_health(table):
    scores = columns(table)
    points = sum(share * np.nan_to_num(scores[name]) for name, share in shares(scores, TYPICAL).items())
    np.testing.assert_allclose(points, typical_health(scores), atol=1e-12)


@given(rows)
def test_rows_do_not_know_of_each_other(table):
    alone = [float(typical_health(dict(zip(TYPICAL, np.array(row, dtype=float), strict=True)))) for row in table]
    np.testing.assert_equal(typical_health(columns(table)), alone)


@pytest.mark.system("H1")
@given(rows, st.sampled_from(list(TYPICAL)), st.floats(0, 100))
def test_a_better_component_never_lowers_health(table, name, better):
    scores = columns(table)
    raised = {**scores, name: np.fmax(scores[name], np.where(np.isnan(scores[name]), np.nan, better))}
    before, after = typical_health(scores), typical_health(raised)
    assert (np.isnan(before) | (after >= before - 1e-9)).all()


@pytest.mark.system("H8")
@pytest.mark.parametrize(
    ("logins", "score"), [(5, 100), (9, 100), (4.99, 75), (3, 75), (2.5, 50), (1, 50), (0.99, 25), (0, 25)]
)
def test_step_map_of_logins_a_week(logins, score):
    assert step_score(logins) == score


def test_typical_weights_lie_in_their_ranges():
    assert set(distance_from_ranges(TYPICAL).values()) == {0.0}
    assert TYPICAL.keys() == RANGES.keys()


@pytest.mark.system("H6")
def test_distance_from_ranges_is_signed():
    distance = distance_from_ranges({"usage": 0.6, "feedback": 0.1, "support": 0.2, "commercial": 0.1})
    assert distance == pytest.approx({"usage": 0.1, "feedback": -0.1, "support": 0.0})


@pytest.mark.system("H4", "W9")
@pytest.mark.parametrize(
    ("recent", "still_open", "logins", "score"),
    [
        pytest.param(0, 0, 6, 75, id="silence of a busy customer is neither good nor bad"),
        pytest.param(0, 0, 0.5, 25, id="silence with low usage is bad"),
        pytest.param(0, 0, np.nan, 75, id="silence, usage not known"),
        pytest.param(2, 0, 6, 100, id="some tickets are better than none"),
        pytest.param(12, 0, 6, 25, id="many tickets are worse than none"),
        pytest.param(2, 6, 6, 25, id="backlog is bad at any volume"),
        pytest.param(np.nan, 3, 6, 50, id="backlog alone"),
        pytest.param(np.nan, np.nan, 0, np.nan, id="support not known"),
    ],
)
def test_support_is_u_shaped(recent, still_open, logins, score):
    np.testing.assert_equal(support_score(recent, still_open, logins), score)


@pytest.mark.system("H2", "H3", "H4", "H5")
def test_cold_start_of_three_accounts():
    scores = typical_scores(
        logins_per_week=np.array([6, 2, np.nan]),
        nps=np.array([9, 3, np.nan]),
        csat=np.array([np.nan, 4, np.nan]),
        recent_tickets=np.array([1, 10, np.nan]),
        open_tickets=np.array([0, 5, np.nan]),
        sentiment=np.array([5, 2, np.nan]),
        days_since_contact=np.array([3, 120, np.nan]),
    )
    assert scores["feedback"].tolist()[:2] == [100, 50]
    np.testing.assert_allclose(typical_health(scores), [100, 0.45 * 50 + 0.25 * 50 + 0.2 * 25 + 0.1 * 25, np.nan])


@pytest.mark.system("H7")
def test_cold_start_with_usage_alone_is_the_usage_score():
    assert typical_health(typical_scores(logins_per_week=3.5)) == 75
