"""What the chapter hands to decisions: the figures that are known, and no others."""

import pytest

from retention.effects.chapter import chapter

START = "2024-01-10"


def plays(treated, held):
    """Plays of one day on accounts t0, t1 … and h0, h1 …; of each arm so many stay of so many."""
    arms = (("t", "treated", treated), ("h", "holdout", held))
    names = [(f"{letter}{i}", arm, i < stay) for letter, arm, (stay, of) in arms for i in range(of)]
    rows = [
        {
            "account_id": n,
            "row_id": n,
            "at": START,
            "play": "call",
            "cost": 100.0 if arm == "treated" else 0.0,
            "arm": arm,
        }
        for n, arm, _ in names
    ]
    terms = [
        {"account_id": n, "started_at": "2023-01-01", "ended_at": None if stays else "2024-02-10", "mrr": 1000.0}
        for n, _, stays in names
    ]
    return rows, [*terms, {"account_id": "later", "started_at": "2024-12-20", "ended_at": None, "mrr": 1.0}]


@pytest.mark.system("R8", "R9", "R10", "X9")
def test_effect_is_the_difference_of_the_arms_and_value_and_return_follow_from_it(measured):
    rows, terms = plays((32, 40), (24, 40))
    found = chapter(measured(interventions=rows, subscriptions=terms)).figures
    assert found["save_rate"].value == pytest.approx(0.8)
    assert found["play_effect"].value == pytest.approx(0.2)
    worth = 40 * 12_000 * 0.75
    assert found["prevented_value"].value == pytest.approx(0.2 * worth)
    assert found["programme_roi"].value == pytest.approx((0.2 * worth - 4000) / 4000)


def test_without_a_holdout_only_the_save_rate_is_a_figure(measured):
    rows, terms = plays((32, 40), (0, 0))
    assert set(chapter(measured(interventions=rows, subscriptions=terms)).figures) == {"save_rate"}
