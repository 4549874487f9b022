"""The alarms that Keepwell really raised, against what happened: kept scores and warnings (systems K4)."""

from math import floor

import numpy as np

from retention.blocks import Block
from retention.inputs import Inputs
from retention.ledger.lifetimes import observed_until
from retention.mining.snapshots import Flags, Snapshots
from retention.mining.tuning import Trial, below, block, judged


def tuning(inputs: Inputs) -> Block | None:
    """Warnings as they were raised and health at other boundaries; None where no kept run's window has closed."""
    snapshots, health = _runs(inputs)
    if not snapshots.churned.any():
        return None
    everywhere = np.ones(len(snapshots), dtype=bool)
    raised = [
        Trial(rule=rule, at="as raised", is_used=True, alarms=judged(snapshots, holds, everywhere))
        for rule, holds in _signs(inputs, snapshots).items()
    ]
    trials = [*below(snapshots, health, everywhere, _floors(inputs)), *raised]
    runs, days = len(np.unique(snapshots.moments)), inputs.settings.window_days
    return block(trials, inputs.house, f"Over {runs} kept runs whose window of {days} days has closed.")


def _runs(inputs: Inputs) -> tuple[Snapshots, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Kept scores of closed windows, in order of account and run, with what became of them; involuntary losses out."""
    lead, window = inputs.settings.churn.lead_days, inputs.settings.window_days
    until = inputs.engine.moment(observed_until(inputs))
    found = inputs.engine.query(
        f"""SELECT s.account_id, s.as_of, s.health_score, s.yearly_value, MIN(e.at) AS lost_at,
                   ARG_MIN(e.intent, e.at) AS intent
            FROM score_history s LEFT JOIN churn_events e ON e.account_id = s.account_id
                 AND e.at > s.as_of + INTERVAL {lead} DAY AND e.at <= s.as_of + INTERVAL {window} DAY
            WHERE s.as_of + INTERVAL {inputs.settings.gap_days} DAY <= {until} AND s.health_score IS NOT NULL
            GROUP BY s.account_id, s.as_of, s.health_score, s.yearly_value
            HAVING intent IS DISTINCT FROM 'involuntary' ORDER BY s.account_id, s.as_of"""
    )
    lost_at = found["lost_at"].to_numpy(zero_copy_only=False).astype("datetime64[us]")
    snapshots = Snapshots(
        accounts=np.array(found["account_id"].to_pylist(), dtype=str),
        moments=found["as_of"].to_numpy().astype("datetime64[us]"),
        churned=~np.isnat(lost_at),
        lost_at=lost_at,
        value=np.array(found["yearly_value"].to_pylist(), dtype=np.float64),
    )
    return snapshots, np.array(found["health_score"].to_pylist(), dtype=np.float64)


def _signs(inputs: Inputs, snapshots: Snapshots) -> dict[str, Flags]:
    """For each rule whether its warning was open at each kept score."""
    at = {key: i for i, key in enumerate(zip(snapshots.accounts.tolist(), snapshots.moments.tolist(), strict=True))}
    found: dict[str, Flags] = {}
    for rule, account, moment in inputs.rows(
        """SELECT DISTINCT g.rule, g.account_id, s.as_of FROM sign_history g
           JOIN score_history s ON s.account_id = g.account_id AND s.as_of >= g.at
                AND (g.closed_at IS NULL OR s.as_of < g.closed_at) ORDER BY ALL"""
    ):
        place = at.get((str(account), moment))
        if place is not None:
            found.setdefault(str(rule), np.zeros(len(snapshots), dtype=bool))[place] = True
    return found


def _floors(inputs: Inputs) -> list[float]:
    """The lower ends of the tiers in use, but the lowest: the worst kept score of each, to the point below."""
    tiers = inputs.rows(
        """SELECT MIN(health_score), MAX(health_score) FROM score_history WHERE tier IS NOT NULL
           GROUP BY tier ORDER BY 1"""
    )
    return [float(floor(float(str(low)))) for low, _ in tiers[1:]]
