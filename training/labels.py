"""What became of each snapshot: the only place that looks past it.

The label window of a snapshot at t is (t + lead, t + lead + horizon]. A window that the data does not cover to
its end is not closed: its rows are censored (unknown, never "stayed") and counted.
"""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from features.config import Settings
from features.declare import text_literal
from features.engine import Engine
from features.sources import Staged
from training.errors import EvidenceError

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

    For contracts it is the last moment a term became known (without `known_at`, the last one's start): terms that
    began later would show renewals, and none do. Where some terms are open, an end is a fact rather than a plan,
    so the last end that any source has reached counts too.

    Raises:
        EvidenceError: the source of churn holds no row.
    """
    kind = settings.churn.kind
    if settings.churn.observed_until:
        return settings.churn.observed_until
    source, query = {
        "contract": ("subscriptions", _last_contract_word(staged)),
        "inactivity": ("usage", "SELECT MAX(r.at) FROM usage r"),
        "told": ("churns", "SELECT MAX(r.at) FROM churns r"),
    }[kind]
    found = engine.rows(query)[0][0]
    if not isinstance(found, datetime):
        raise EvidenceError(f'[churn] kind = "{kind}": {source} holds no good row; `keepwell check` says why')
    return found


def label(settings: Settings, engine: Engine, staged: Staged) -> Labels:
    """The outcome of every row of the table `spine`."""
    until = observed_until(settings, engine, staged)
    churn = settings.churn
    moments = {"contract": _contract_ends, "inactivity": None, "told": _told}[churn.kind]
    window = f"s.snapshot_at + INTERVAL {churn.lead_days} DAY", f"s.snapshot_at + INTERVAL {settings.window_days} DAY"
    if moments is None:
        engine.create("outcomes", _inactivity(window))
    else:
        engine.create("churn_moments", moments(settings))
        engine.create("outcomes", _first_in_window(window))
    told = _told_beside(settings, staged)
    closed = f"s.snapshot_at + INTERVAL {settings.gap_days} DAY <= {engine.moment(until)}"
    table = engine.query(
        f"""SELECT s.account_id, s.snapshot_at, o.churned_at, o.reason, o.preventable,
                   CASE WHEN NOT ({closed}) THEN '{CENSORED}' WHEN o.churned_at IS NULL THEN '{STAYED}'
                        WHEN o.is_involuntary THEN '{INVOLUNTARY}' ELSE '{CHURNED}' END AS outcome
            FROM spine s LEFT JOIN ({told}) o ON o.account_id = s.account_id AND o.snapshot_at = s.snapshot_at
            ORDER BY s.snapshot_at, s.account_id"""
    ).to_pandas()
    return Labels(table, until)


def _last_contract_word(staged: Staged) -> str:
    reached = [f"SELECT MAX(known_at) AS reached FROM {name}" for name in staged.sources if name != "accounts"]
    if staged.sources.keys() <= {"accounts", "subscriptions"} and not staged.versioned("subscriptions"):
        reached = [f"SELECT {Engine.moment(staged.now)} AS reached"]  # nothing else tells how far the data goes
    return f"""
        SELECT GREATEST((SELECT MAX(known_at) FROM subscriptions), (
            SELECT MAX(ended_at) FROM subscriptions
            WHERE {LATEST} AND renews_at IS DISTINCT FROM ended_at
              AND ended_at <= (SELECT MAX(reached) FROM ({" UNION ALL ".join(reached)}))
              AND EXISTS (SELECT 1 FROM subscriptions WHERE {LATEST} AND ended_at IS NULL)))"""


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
    return f"SELECT r.account_id, r.at AS churned_at, MAX(r.reason) AS reason FROM churns r WHERE {LATEST} GROUP BY ALL"


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
        SELECT DISTINCT s.account_id, s.snapshot_at, s.snapshot_at AS churned_at, CAST(NULL AS VARCHAR) AS reason
        FROM spine s ANTI JOIN (
            SELECT DISTINCT s.account_id, s.snapshot_at FROM spine s JOIN usage u ON u.account_id = s.account_id
            WHERE u.{LATEST} AND u.at > {window[0]} AND u.at <= {window[1]}) seen
        USING (account_id, snapshot_at)"""


def _told_beside(settings: Settings, staged: Staged) -> str:
    """Each churn with what a person told of it, the nearest word within 60 days: intent, reason, preventability.

    Without a told intent, a reason that contains one of `involuntary_reasons` makes a churn involuntary.
    """
    words = [text_literal(word.lower()) for word in settings.churn.involuntary_reasons]
    by_word = " OR ".join(f"contains(lower(COALESCE(reason, '')), {word})" for word in words) or "FALSE"
    beside = "SELECT *, CAST(NULL AS VARCHAR) AS intent, CAST(NULL AS BOOLEAN) AS preventable FROM outcomes"
    if "churns" in staged.sources:
        nearest = "ABS(DATEDIFF('MICROSECOND', t.at, o.churned_at))"
        beside = f"""
            SELECT o.account_id, o.snapshot_at, o.churned_at, COALESCE(t.reason, o.reason) AS reason,
                   t.intent, t.preventable,
                   ROW_NUMBER() OVER (PARTITION BY o.account_id, o.snapshot_at
                                      ORDER BY {nearest}, t.at, t.known_at DESC, t.intent, t.reason) AS nth
            FROM outcomes o LEFT JOIN churns t ON t.account_id = o.account_id AND t.{LATEST}
                 AND ABS(DATEDIFF('DAY', t.at, o.churned_at)) <= 60
            QUALIFY nth = 1"""
    return f"""SELECT *, CASE WHEN intent IS NOT NULL THEN intent = 'involuntary' ELSE {by_word} END AS is_involuntary
               FROM ({beside})"""
