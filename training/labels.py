"""What became of each snapshot: the only place that looks past it.

The label window of a snapshot at t is (t + lead, t + lead + horizon]. A window that the data does not cover to
its end is not closed: its rows are censored (unknown, never "stayed") and counted.
"""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from features.config import Settings
from features.engine import Engine
from features.staged import Staged

STAYED, CHURNED, INVOLUNTARY, CENSORED = "stayed", "churned", "involuntary", "censored"
LATEST = "superseded_at IS NULL"


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
    """The last moment the source of churn speaks of; `[churn] observed_until` overrides it.

    For contracts it is the last term's start: terms that began later would show renewals, and none do. Where
    some terms are open, an end is a fact rather than a plan, so the last end up to now counts too.
    """
    if settings.churn.observed_until:
        return settings.churn.observed_until
    queries = {
        "contract": f"""SELECT GREATEST(MAX(started_at), MAX(CASE WHEN open_terms > 0 AND renews_at IS DISTINCT FROM ended_at
                                                                   AND ended_at <= {engine.moment(_last_row(staged))}
                                                                  THEN ended_at END))
                        FROM subscriptions, (SELECT COUNT(*) AS open_terms FROM subscriptions WHERE ended_at IS NULL)""",
        "inactivity": "SELECT MAX(r.at) FROM usage r",
        "told": "SELECT MAX(r.at) FROM churns r",
    }
    found = engine.rows(queries[settings.churn.kind])[0][0]
    assert isinstance(found, datetime)
    return found


def label(settings: Settings, engine: Engine, staged: Staged) -> Labels:
    """The outcome of every row of the table `spine`."""
    until = observed_until(settings, engine, staged)
    churn = settings.churn
    moments = {"contract": _contract_ends, "inactivity": None, "told": _told}[churn.kind]
    window = f"s.snapshot_at + INTERVAL {churn.lead_days} DAY", f"s.snapshot_at + INTERVAL {settings.gap_days} DAY"
    if moments is None:
        engine.create("outcomes", _inactivity(window))
    else:
        engine.create("churn_moments", moments(settings))
        engine.create("outcomes", _first_in_window(window))
    told = _told_beside(settings, staged)
    closed = f"{window[1]} + INTERVAL {churn.grace_days if churn.kind == 'contract' else 0} DAY <= {engine.moment(until)}"
    table = engine.query(
        f"""SELECT s.account_id, s.snapshot_at, o.churned_at, o.reason, o.preventable,
                   CASE WHEN NOT ({closed}) THEN '{CENSORED}' WHEN o.churned_at IS NULL THEN '{STAYED}'
                        WHEN o.is_involuntary THEN '{INVOLUNTARY}' ELSE '{CHURNED}' END AS outcome
            FROM spine s LEFT JOIN ({told}) o ON o.account_id = s.account_id AND o.snapshot_at = s.snapshot_at
            ORDER BY s.snapshot_at, s.account_id"""
    ).to_pandas()
    return Labels(table, until)


def _last_row(staged: Staged) -> datetime:
    return max(source.last_at for source in staged.sources.values() if source.last_at is not None)


def _contract_ends(settings: Settings) -> str:
    """Ends of an account's cover: a term's end that no other term spans and none follows within the grace days."""
    return f"""
        SELECT e.account_id, e.ended_at AS churned_at, MAX(e.cancel_reason) AS reason
        FROM subscriptions e
        LEFT JOIN subscriptions n ON n.account_id = e.account_id AND n.{LATEST}
             AND n.started_at <= e.ended_at + INTERVAL {settings.churn.grace_days} DAY
             AND (n.ended_at IS NULL OR n.ended_at > e.ended_at)
        WHERE e.{LATEST} AND e.ended_at IS NOT NULL AND n.account_id IS NULL
        GROUP BY e.account_id, e.ended_at"""


def _told(settings: Settings) -> str:
    return f"SELECT r.account_id, r.at AS churned_at, MAX(r.reason) AS reason FROM churns r WHERE r.{LATEST} GROUP BY r.account_id, r.at"


def _first_in_window(window: tuple[str, str]) -> str:
    return f"""
        SELECT s.account_id, s.snapshot_at, MIN(m.churned_at) AS churned_at, MIN_BY(m.reason, m.churned_at) AS reason
        FROM spine s JOIN churn_moments m ON m.account_id = s.account_id
             AND m.churned_at > {window[0]} AND m.churned_at <= {window[1]}
        GROUP BY s.account_id, s.snapshot_at"""


def _inactivity(window: tuple[str, str]) -> str:
    """Spine rows without one usage row in their window; the churn dates from the snapshot."""
    return f"""
        SELECT s.account_id, s.snapshot_at, s.snapshot_at AS churned_at, CAST(NULL AS VARCHAR) AS reason
        FROM spine s ANTI JOIN (
            SELECT DISTINCT s.account_id, s.snapshot_at FROM spine s JOIN usage u ON u.account_id = s.account_id
            WHERE u.{LATEST} AND u.at > {window[0]} AND u.at <= {window[1]}) seen
        USING (account_id, snapshot_at)"""


def _told_beside(settings: Settings, staged: Staged) -> str:
    """Each churn with what a person told of it within 60 days: intent, reason, preventability.

    Without a told intent, a reason that contains one of `involuntary_reasons` makes a churn involuntary.
    """
    words = settings.churn.involuntary_reasons
    by_word = " OR ".join(f"contains(lower(COALESCE(reason, '')), '{w.lower()}')" for w in words) or "FALSE"
    beside = "SELECT *, CAST(NULL AS VARCHAR) AS intent, CAST(NULL AS BOOLEAN) AS preventable FROM outcomes"
    if "churns" in staged.sources:
        beside = f"""
            SELECT o.account_id, o.snapshot_at, o.churned_at, COALESCE(ANY_VALUE(t.reason), ANY_VALUE(o.reason)) AS reason,
                   MAX(t.intent) AS intent, BOOL_OR(t.preventable) AS preventable
            FROM outcomes o LEFT JOIN churns t ON t.account_id = o.account_id AND t.{LATEST}
                 AND ABS(DATEDIFF('DAY', t.at, o.churned_at)) <= 60
            GROUP BY o.account_id, o.snapshot_at, o.churned_at"""
    return f"""SELECT *, CASE WHEN intent IS NOT NULL THEN intent = 'involuntary' ELSE {by_word} END AS is_involuntary
               FROM ({beside})"""
