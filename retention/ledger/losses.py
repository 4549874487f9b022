"""When customers were lost: the one reading of churn, shared by the ledger and by what models learn from.

Every function returns SQL. `known_by` is a moment's SQL literal: rows that reached the company later are not there,
and of each row the newest version known by then counts. None stands for all that is known today.
"""

from features.config import Settings
from features.declare import text_literal
from features.engine import Engine
from features.sources import Staged

TOLD_DAYS = 60
"""What a person tells of a loss belongs to it when it is told within so many days."""


def speaking(settings: Settings) -> str:
    """The source that churn is read from."""
    return {"contract": "subscriptions", "inactivity": "usage", "told": "churns"}[settings.churn.kind]


def newest(source: str, known_by: str | None = None) -> str:
    """The newest version of every row of a source."""
    if known_by is None:
        return f"(SELECT * FROM {source} WHERE superseded_at IS NULL)"
    return f"""(SELECT * FROM {source} WHERE known_at <= {known_by}
                AND (superseded_at IS NULL OR superseded_at > {known_by}))"""


def contract_ends(settings: Settings, known_by: str | None = None) -> str:
    """Ends of an account's cover: a term's end that no other term spans and none follows within the grace days.

    Columns account_id, churned_at, reason.
    """
    terms = newest("subscriptions", known_by)
    return f"""
        SELECT e.account_id, e.ended_at AS churned_at, MAX(e.cancel_reason) AS reason
        FROM {terms} e
        LEFT JOIN {terms} n ON n.account_id = e.account_id
             AND n.started_at <= e.ended_at + INTERVAL {settings.churn.grace_days} DAY
             AND (n.ended_at IS NULL OR n.ended_at > e.ended_at)
        WHERE e.ended_at IS NOT NULL AND n.account_id IS NULL
        GROUP BY e.account_id, e.ended_at"""


def silences(settings: Settings, known_by: str | None = None) -> str:
    """Silences that became a loss: after a use nothing for the horizon, (use, use + horizon]; it dates from its end.

    A silence that still lasts is in here too, with an end that may lie ahead. Columns account_id, churned_at, reason.
    """
    days = f"INTERVAL {settings.churn.horizon_days} DAY"
    return f"""
        SELECT u.account_id, u.used_at + {days} AS churned_at, CAST(NULL AS STRING) AS reason
        FROM (SELECT r.account_id, r.at AS used_at, LEAD(r.at) OVER (PARTITION BY r.account_id ORDER BY r.at) AS next_at
              FROM {newest("usage", known_by)} r) u
        WHERE u.next_at IS NULL OR u.next_at > u.used_at + {days}"""


def told(settings: Settings, known_by: str | None = None) -> str:
    """The losses that people told of. Columns account_id, churned_at, reason."""
    return f"""SELECT r.account_id, r.at AS churned_at, MAX(r.reason) AS reason
               FROM {newest("churns", known_by)} r GROUP BY r.account_id, r.at"""


def with_told(
    settings: Settings, staged: Staged, losses: str, key: str, known_by: str | None = None, *, also: str = ""
) -> str:
    """Each loss with what a person told of it, the nearest word within 60 days: reason, intent, preventable.

    `losses` is a table with account_id, churned_at and reason, one row a `key` (columns, with commas), of which the
    columns `also` are kept. Without a told intent, a reason that contains one of `involuntary_reasons` makes a loss
    involuntary: `is_involuntary`.
    """
    words = [text_literal(word.lower()) for word in settings.churn.involuntary_reasons]
    by_word = " OR ".join(f"contains(lower(COALESCE(reason, '')), {word})" for word in words) or "FALSE"
    columns = ", ".join(f"o.{name.strip()}" for name in f"{key},{also}".split(",") if name.strip())
    beside = "CAST(NULL AS STRING) AS intent, CAST(NULL AS BOOLEAN) AS preventable"
    told = f"SELECT {columns}, o.churned_at, o.reason, {beside}, 1 AS told_nth FROM {losses} o"
    if "churns" in staged.sources:
        apart = "CASE WHEN t.at > o.churned_at THEN t.at - o.churned_at ELSE o.churned_at - t.at END"
        days = f"INTERVAL {TOLD_DAYS} DAY"
        day = "CAST(o.churned_at AS DATE)"
        told = f"""
            SELECT {columns}, o.churned_at, COALESCE(t.reason, o.reason) AS reason, t.intent, t.preventable,
                   ROW_NUMBER() OVER (
                       PARTITION BY {", ".join(f"o.{name.strip()}" for name in key.split(","))}
                       ORDER BY {apart}, t.at, t.known_at DESC, t.intent NULLS LAST, t.reason NULLS LAST) AS told_nth
            FROM {losses} o LEFT JOIN {newest("churns", known_by)} t ON t.account_id = o.account_id
                 AND CAST(t.at AS DATE) BETWEEN {day} - {days} AND {day} + {days}"""
    return f"""SELECT *, CASE WHEN intent IS NOT NULL THEN intent = 'involuntary' ELSE {by_word} END AS is_involuntary
               FROM ({told}) WHERE told_nth = 1"""


def last_word(settings: Settings, staged: Staged, known_by: str | None = None) -> str:
    """The last moment the source of churn speaks of.

    For contracts it is the last moment a term became known (without `known_at`, the last one's start): terms that
    began later would show renewals, and none do. Where some terms are open, an end is a fact rather than a plan,
    so the last end that any source has reached counts too.
    """
    if settings.churn.kind != "contract":
        return f"SELECT MAX(r.at) FROM {_heard(speaking(settings), known_by)} r"
    others = [name for name in staged.sources if name != "accounts"]
    reached = [f"SELECT MAX(known_at) AS reached FROM {_heard(name, known_by)}" for name in others]
    if staged.sources.keys() <= {"accounts", "subscriptions"} and not staged.versioned("subscriptions"):
        now = Engine.moment(staged.now)  # nothing else tells how far the data goes
        reached = [f"SELECT {now if known_by is None else f'LEAST({now}, {known_by})'} AS reached"]
    terms = newest("subscriptions", known_by)
    return f"""
        SELECT GREATEST((SELECT MAX(known_at) FROM {_heard("subscriptions", known_by)}), (
            SELECT MAX(ended_at) FROM {terms}
            WHERE renews_at IS DISTINCT FROM ended_at
              AND ended_at <= (SELECT MAX(reached) FROM ({" UNION ALL ".join(reached)}))
              AND EXISTS (SELECT 1 FROM {terms} WHERE ended_at IS NULL)))"""


def _heard(source: str, known_by: str | None) -> str:
    """All versions of a source's rows."""
    return source if known_by is None else f"(SELECT * FROM {source} WHERE known_at <= {known_by})"
