import numpy as np
import pytest

from serving.errors import ServingError
from serving.tiers import TIERS, Tier, check_tiers, tier_of, tiers_of


@pytest.mark.system("H10")
@pytest.mark.parametrize(
    ("score", "tier"),
    [
        pytest.param(100.0, "green", id="best"),
        pytest.param(70.0, "green", id="floor of green belongs to green"),
        pytest.param(np.nextafter(70, 0), "yellow", id="a hair below 70 is not rounded up"),
        pytest.param(69.5, "yellow", id="69.5 has one answer"),
        pytest.param(50.0, "yellow", id="floor of yellow belongs to yellow"),
        pytest.param(49.9, "red", id="49.9 has one answer"),
        pytest.param(0.0, "red", id="worst"),
        pytest.param(None, None, id="no score"),
        pytest.param(float("nan"), None, id="unknown score"),
    ],
)
def test_tier_is_half_open_on_the_unrounded_score(score, tier):
    assert tier_of(score) == tier


def test_rows_agree_with_one_by_one():
    scores = np.array([0.0, 49.99, 50.0, np.nan, 70.0, 100.0])
    assert tiers_of(scores).tolist() == [tier_of(score) for score in scores]


@pytest.mark.system("H10")
def test_labels_of_the_default_table():
    assert {tier.name: tier.label for tier in TIERS} == {
        "green": "Healthy",
        "yellow": "Neutral",
        "red": "At-risk",
    }


@pytest.mark.system("H10")
def test_own_table():
    own = (Tier("fine", 30, "Fine", "blue"), Tier("poor", 0, "Poor", "grey"))
    assert tiers_of([29.9, 30], own).tolist() == ["poor", "fine"]


def table(*bands):
    return [Tier(name, floor, name, "grey") for name, floor in bands]


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        pytest.param([], "empty", id="no tier"),
        pytest.param(table(("a", 50), ("a", 0)), "names must differ", id="same name twice"),
        pytest.param(table(("a", 50), ("b", 70), ("c", 0)), "must fall", id="not falling"),
        pytest.param(table(("a", 50), ("b", 50), ("c", 0)), "must fall", id="empty band"),
        pytest.param(table(("a", 70), ("b", 10)), "must fall", id="scores below 10 have no tier"),
        pytest.param(table(("a", 100), ("b", 0)), "must fall", id="nobody can reach the best tier"),
        pytest.param(table(("a", float("nan")), ("b", 0)), "must fall", id="no number"),
    ],
)
def test_broken_table_is_refused(tiers, message):
    with pytest.raises(ServingError, match=message):
        check_tiers(tiers)


@pytest.mark.parametrize("score", [-0.001, 100.001, 7375.0])
def test_score_off_the_scale_is_refused(score):
    with pytest.raises(ServingError, match="lies in"):
        tiers_of([50.0, score])
