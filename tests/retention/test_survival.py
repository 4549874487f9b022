"""Kaplan and Meier's curve against the worked example of a textbook, and against simulation."""

import numpy as np
import pytest

from retention.survival import survival

MAINTAINED = [9, 13, 18, 23, 31, 34, 48]
MAINTAINED_WAITING = [13, 28, 45, 161]
"""Remission of leukaemia in the maintained group (Miller 1981, p. 49), the data that most textbooks use."""


@pytest.mark.system("R12", "R15")
def test_the_textbook_example_has_the_published_curve():
    found = survival(np.array(MAINTAINED, float), np.array(MAINTAINED_WAITING, float))
    published = {9: 0.91, 13: 0.82, 18: 0.72, 23: 0.61, 31: 0.49, 34: 0.37, 48: 0.18}
    assert {day: round(found.at(day).value, 2) for day in published} == published
    assert found.median.value == 31
    assert (found.n, found.events) == (11, 7)


def test_nobody_lost_means_the_median_is_not_known():
    found = survival(np.array([]), np.array([5.0, 9.0]))
    assert found.median.value is None
    assert found.at(30).value == 1.0


def test_more_than_half_still_waiting_means_the_median_is_not_known():
    assert survival(np.array([3.0]), np.array([10.0, 10.0, 10.0])).median.value is None


def test_waiting_cases_do_not_pull_the_curve():
    rng = np.random.default_rng(0)
    days, watched = rng.exponential(50, 4000), rng.uniform(0, 120, 4000)
    happened = days <= watched
    found = survival(days[happened], watched[~happened])
    assert found.at(50).value == pytest.approx(np.exp(-1), abs=0.03)
    assert found.median.low <= 50 * np.log(2) <= found.median.high
