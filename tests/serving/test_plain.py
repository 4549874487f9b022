"""Plain rows are those of `to_pylist`."""

import pyarrow as pa
import pytest

from serving.book import DRIVER
from serving.plain import plain_rows

DRIVERS = [
    [],
    [{"component": "c", "signal": "s", "log_odds": 1.0}],
    [{"component": "c", "signal": None, "log_odds": None}, {"component": "d", "signal": "s", "log_odds": 2.0}],
    [],
]
TABLE = pa.table(
    {
        "text": ["x", "y", None, "x"],
        "number": [1.0, None, -0.0, 2.0],
        "known": [1.0, 2.0, 3.0, 4.0],
        "flag": [True, None, False, True],
        "drivers": pa.array(DRIVERS, pa.list_(DRIVER)),
        "whole": pa.array([1, 2, None, 4], pa.int64()),
    }
)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(TABLE, id="whole"),
        pytest.param(TABLE.slice(1, 2), id="a part"),
        pytest.param(TABLE.slice(0, 0), id="no rows"),
        pytest.param(pa.concat_tables([TABLE, TABLE]).slice(2, 4), id="two chunks"),
        pytest.param(TABLE.take([2, 1]), id="in another order"),
    ],
)
def test_rows_are_those_of_arrow(table):
    assert list(plain_rows(table)) == table.to_pylist()
