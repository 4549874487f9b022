"""What became of each snapshot: the only place that looks past it.

The label window of a snapshot at t is (t + lead, t + lead + horizon]. A window that the data does not cover to
its end is not closed: its rows are censored (unknown, never "stayed") and counted.
"""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from retention.ledger import losses
from training.errors import EvidenceError

STAYED, CHURNED, INVOLUNTARY, CENSORED = "stayed", "churned", "involuntary", "censored"


@dataclass(frozen=True)
class Labels:
    """Outcome of each spine row, and the moment up to which outcomes were observed.

    `table` has account_id, snapshot_at, outcome (stayed, churned, involuntary, censored), churned_at, reason,
    preventable. Involuntary churn (a failed payment, a company that closed) is kept apart: it is neither a
    churner nor a stayer to the model.
    """

    table: pd.DataFrame
    observed_until: datetime
    all_counts: dict[str, int] | None = None
    """Rows per outcome before censored ones were left out of `table`, where they were."""

    def counts(self) -> dict[str, int]:
        """Rows per outcome, censored ones included."""
        if self.all_counts is not None:
            return self.all_counts
        found = self.table["outcome"].value_counts()
        return {outcome: int(found.get(outcome, 0)) for outcome in (STAYED, CHURNED, INVOLUNTARY, CENSORED)}


def observed_until(settings: Settings, engine: Engine, staged: Staged) -> datetime:
    """The last moment the source of churn speaks of (`losses.last_word`); `[churn] observed_until` overrides it.

    Raises:
        EvidenceError: the source of churn holds no row.
    """
    if settings.churn.observed_until:
        return settings.churn.observed_until
    found = engine.rows(losses.last_word(settings, staged))[0][0]
    if not isinstance(found, datetime):
        source = losses.speaking(settings)
        raise EvidenceError(
            f'[churn] kind = "{settings.churn.kind}": {source} holds no good row; `keepwell check` says why'
        )
    return found


def label(settings: Settings, engine: Engine, staged: Staged) -> Labels:
    """The outcome of every row of the table `spine`."""
    until = observed_until(settings, engine, staged)
    churn = settings.churn
    moments = {"contract": losses.contract_ends, "inactivity": None, "told": losses.told}[churn.kind]
    window = f"s.snapshot_at + INTERVAL {churn.lead_days} DAY", f"s.snapshot_at + INTERVAL {settings.window_days} DAY"
    if moments is None:
        engine.create("outcomes", _inactivity(window))
    else:
        engine.create("churn_moments", moments(settings))
        engine.create("outcomes", _first_in_window(window))
    told = losses.with_told(settings, staged, "outcomes", "account_id, snapshot_at")
    closed = f"s.snapshot_at + INTERVAL {settings.gap_days} DAY <= {engine.moment(until)}"
    table = engine.query(
        f"""SELECT s.account_id, s.snapshot_at, o.churned_at, o.reason, o.preventable,
                   CASE WHEN NOT ({closed}) THEN '{CENSORED}' WHEN o.churned_at IS NULL THEN '{STAYED}'
                        WHEN o.is_involuntary THEN '{INVOLUNTARY}' ELSE '{CHURNED}' END AS outcome
            FROM spine s LEFT JOIN ({told}) o ON o.account_id = s.account_id AND o.snapshot_at = s.snapshot_at
            ORDER BY s.snapshot_at, s.account_id"""
    ).to_pandas()
    return Labels(table, until)


def _first_in_window(window: tuple[str, str]) -> str:
    return f"""
        SELECT account_id, snapshot_at, churned_at, reason FROM (
            SELECT s.account_id, s.snapshot_at, m.churned_at, m.reason,
                   ROW_NUMBER() OVER (PARTITION BY s.account_id, s.snapshot_at ORDER BY m.churned_at) AS nth
            FROM (SELECT DISTINCT account_id, snapshot_at FROM spine) s
            JOIN churn_moments m ON m.account_id = s.account_id
                 AND m.churned_at > {window[0]} AND m.churned_at <= {window[1]})
        WHERE nth = 1"""


def _inactivity(window: tuple[str, str]) -> str:
    """Spine rows without one usage row in their window; the churn dates from the snapshot."""
    return f"""
        SELECT DISTINCT s.account_id, s.snapshot_at, s.snapshot_at AS churned_at, CAST(NULL AS STRING) AS reason
        FROM spine s ANTI JOIN (
            SELECT DISTINCT s.account_id, s.snapshot_at FROM spine s JOIN usage u ON u.account_id = s.account_id
            WHERE u.superseded_at IS NULL AND u.at > {window[0]} AND u.at <= {window[1]}) seen
        USING (account_id, snapshot_at)"""
