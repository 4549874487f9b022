"""What the notebooks measure: rates by bin against a plain count, and a split by lot of the right sizes."""

import numpy as np
import pytest

from training.intervals import Figure
from training.report.mistakes import by_lot
from training.report.stories import churn_by, panels, side_by_side
from training.split import Split

NAN = np.nan


@pytest.mark.parametrize(
    ("values", "churned", "rates"),
    [
        pytest.param([0, 0, 1, 2], [0, 1, 1, 0], {"0": 0.5, "1": 1, "2": 0}, id="few values: one bin each"),
        pytest.param([NAN, 3, NAN, 3], [1, 0, 0, 0], {"3": 0, "unknown": 0.5}, id="unknown comes last"),
        pytest.param(
            range(10), [1] * 5 + [0] * 5, {"0 to 4": 1, "5 to 9": 0}, id="many values: quantile bins, none lost"
        ),
        pytest.param([NAN, NAN], [1, 0], {"unknown": 0.5}, id="nothing known"),
    ],
)
def test_churn_by_value(values, churned, rates) -> None:
    found = churn_by(np.array(values, dtype=float), np.array(churned, dtype=bool), bins=2)
    assert {name: figure.value for name, figure in found.items()} == rates
    assert list(found) == list(rates)


def test_a_split_by_lot_has_the_sizes_of_the_split_by_time_and_no_other_rows() -> None:
    development, test = np.arange(10) < 5, np.arange(10) > 7
    learn, judge = by_lot(Rows(), Split(development, test, (), None, None))
    assert (learn.sum(), judge.sum()) == (5, 2)
    assert not (learn & judge).any()
    assert ((learn | judge) == (development | test)).all()


class Rows:
    """As much of a history as a split by lot looks at."""

    accounts = np.array([f"a{i}" for i in range(10)])


def test_pictures_name_what_they_show() -> None:
    figure = Figure(0.1, 0.05, 0.2)
    assert "seats" in panels({"seats": {"0": figure, "1 to 3": figure}}, usual=0.1)
    assert "with the mistake" in side_by_side({"lot": figure}, {"lot": figure})
