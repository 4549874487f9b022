"""The ledger of a simulated company against what the simulator knows happened."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.config import load
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write
from retention import house
from retention.inputs import open_inputs

STEP = timedelta(days=28)


@pytest.mark.system("R1", "M3")
def test_the_losses_of_a_simulated_company_are_those_that_were_drawn(tmp_path: Path) -> None:
    """Every account drawn to leave in a window of the grid has one loss in it, and nobody else has one."""
    company = simulate(accounts=250, months=12, seed=3, messy=False, rate=0.04)
    settings = load(write(company, tmp_path))
    with open_engine(tmp_path / "home") as engine:
        inputs = open_inputs(engine, stage(settings, engine), settings, house.load(), company.end)
        told: list[Any] = inputs.rows("SELECT account_id, e.at FROM churn_events e")
        ends: list[Any] = inputs.rows("SELECT month, SUM(end_cents) FROM movements GROUP BY month ORDER BY month")
    rows = company.truth.rows.select(["account_id", "snapshot_at", "churned"]).to_pylist()
    drawn = {(row["account_id"], row["snapshot_at"]) for row in rows if row["churned"]}
    grid = sorted({row["snapshot_at"] for row in rows})
    found = {(account, max(at for at in grid if at < lost)) for account, lost in told}
    assert len(found) == len(told) == len(drawn) > 50
    assert found == drawn
    assert ends == [(month, _running(company.tables["subscriptions"], month)) for month, _ in ends]
    assert len(ends) >= 9


def _running(terms: pa.Table, month: Any) -> int:
    """Cents of the terms that run at the end of a month, from the newest row of each."""
    end = np.datetime64(datetime(month.year + month.month // 12, month.month % 12 + 1, 1))
    newest = {(row["account_id"], row["started_at"]): row for row in terms.sort_by("updated_at").to_pylist()}
    running = [
        row for row in newest.values() if row["started_at"] < end and not (row["ended_at"] and row["ended_at"] < end)
    ]
    return sum(round(float(row["mrr"]) * 100) for row in running)
