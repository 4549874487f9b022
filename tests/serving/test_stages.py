"""Time belongs to the stage that was told of last."""

from time import sleep

import pytest

from serving.stages import Clock


def test_each_stage_has_its_own_time_and_all_of_it_is_somebodys():
    told = []
    clock = Clock(lambda *what: told.append(what))
    clock("a", 0, 2)
    sleep(0.02)
    clock("b", 0, 1)
    clock("a", 1, 2)
    sleep(0.02)
    clock.stop()
    sleep(0.02)
    clock.stop()
    assert told == [("a", 0, 2), ("b", 0, 1), ("a", 1, 2)]
    assert list(clock.took) == ["a", "b"]
    assert clock.took["a"].seconds >= 0.04
    assert clock.took["b"].seconds < 0.02
    assert clock.took["a"].cpu_seconds == pytest.approx(0, abs=0.02)
