"""What was to be seen before losses: how early each signal came, and how often it came for nothing."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from retention.blocks import Block, Column, rows
from retention.figures import Figure, median, share
from retention.inputs import Inputs
from retention.reasons import traces
from retention.reasons.losses import Loss

WARNING = "warning "


def signals(inputs: Inputs, losses: Sequence[Loss]) -> Block:
    """Each kind of trace: share of losses and of stayers that had it, and its median lead time (systems G2)."""
    house, fewest = inputs.house.reasons, inputs.house.programme.fewest
    keys = {(loss.account_id, loss.at) for loss in losses}
    seen = inputs.engine.query("SELECT t.account_id, t.at, t.trace, t.seen_at FROM loss_traces t").to_pylist()
    since = inputs.rows(f"SELECT COALESCE(MIN(r.at), {inputs.moment}) FROM sign_history r")[0][0]
    assert isinstance(since, datetime)
    stayed = {str(trace): int(str(n)) for trace, n in inputs.rows(STAYED)}
    stayers = int(str(inputs.rows("SELECT COUNT(*) FROM customer_spans WHERE ended_at IS NULL")[0][0]))
    names = [*traces.measured(inputs), *sorted({row["trace"] for row in seen if row["trace"].startswith(WARNING)})]
    told = []
    for name in names:
        could = [loss for loss in losses if loss.at > since] if name.startswith(WARNING) else losses
        mine = [row for row in seen if row["trace"] == name and (row["account_id"], row["at"]) in keys]
        lead = np.array([(row["at"] - row["seen_at"]).total_seconds() / 86400 for row in mine])
        lost = share(len(mine), len(could), fewest=fewest)
        others = share(stayed.get(name, 0), stayers, fewest=fewest)
        times = lost.value / others.value if lost.value is not None and others.value else None
        days = median(lead) if len(lead) >= fewest else Figure(None, len(lead))
        told.append((traces.title(name), lost, others, times, days))
    return Block(
        id="lead_time",
        title="What was to be seen before a loss, and how early",
        systems=("G2", "K1"),
        says=f"Losses of the last {house.period_days} days. Had it: share with the signal in the "
        f"{house.look_back_days} days before, by when it was known; beside it customers of today over the same time. "
        "Lead: days from its first sight to the loss. A warning of the policy counts since the first was kept.",
        columns=(
            Column("signal", "Signal"),
            Column("lost", "Lost customers had it", "share", has_interval=True),
            Column("stayed", "Customers of today", "share", has_interval=True),
            Column("times", "Times as often", "number"),
            Column("lead", "Median lead", "days", has_interval=True),
        ),
        rows=rows(sorted(told, key=lambda row: -(row[3] or 0.0))),
    )


STAYED = "SELECT trace, COUNT(DISTINCT account_id) FROM stayer_traces GROUP BY trace"
