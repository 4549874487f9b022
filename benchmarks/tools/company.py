"""A company of any size as raw tables: every source in Parquet, in the shape of `features.synthetic`, made by SQL.

Nothing is held in memory but the accounts; a company of 100,000 accounts and ten million events takes half a minute.
Three in ten leave within the history, at the end of a term; before they do they come less often, answer surveys
lower, write more tickets and speak worse of us, so that a model has something to learn. The same numbers make the
same company, and companies of two sizes differ in nothing else.
"""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

FIRST, END = datetime(2024, 7, 1), datetime(2026, 1, 5)
SPAN = (END - FIRST).days
TEST_FROM = END - timedelta(days=140)
EVENTS = ("login", "view", "search", "edit", "share", "export", "invite", "comment", "api call", "settings")

CONFIG = f"""
[company]
name = "Benchmark"
business_model = "saas"

[sources]
accounts = {{ path = "accounts.parquet", known_at = "created_at", attributes = ["country", "industry"] }}
subscriptions = {{ path = "subscriptions.parquet", known_at = "updated_at" }}
usage = {{ path = "usage.parquet", known_at = "loaded_at" }}
feedback = {{ path = "feedback.parquet" }}
support = {{ path = "support.parquet", known_at = "updated_at" }}
touchpoints = {{ path = "touchpoints.parquet" }}
invoices = {{ path = "invoices.parquet" }}

[churn]
kind = "contract"
horizon_days = 28
observed_until = {END:%Y-%m-%d}

[snapshots]
every_days = 28

[evidence]
test_from = {TEST_FROM:%Y-%m-%d}
"""


def make(folder: Path, accounts: int, events: int, *, more: str = "") -> Path:
    """Write the tables and keepwell.toml (with `more` at its end) into a folder; returns the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute("SET enable_progress_bar = false")
        db.execute("SET memory_limit = '2GB'")
        db.execute("SET temp_directory = ?", [str(folder)])
        for macro in MACROS:
            db.execute(macro)
        db.execute(f"CREATE TABLE life AS {LIFE.format(accounts=accounts)}")
        for name, query in TABLES.items():
            rows = query.format(accounts=accounts, events=events)
            db.execute(f"COPY ({rows}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    config = folder / "keepwell.toml"
    config.write_text(CONFIG + more, encoding="utf-8")
    return config


MACROS = (
    # u: a number in [0, 1) for row `i` of a question `q`; pick: one of a list; after: days later, to the second
    "CREATE MACRO u(i, q) AS (HASH(i * 1009 + q) % 1000003) / 1000003.0",
    "CREATE MACRO pick(names, i, q) AS names[1 + CAST(FLOOR(u(i, q) * LEN(names)) AS INTEGER)]",
    "CREATE MACRO after(t, days) AS t + TO_SECONDS(CAST(FLOOR(86400 * (days)) AS BIGINT))",
)

LIFE = f"""
SELECT *, LEAST(COALESCE(lost_at, TIMESTAMP '{END}'), TIMESTAMP '{END}') AS until, GREATEST(began, TIMESTAMP '{FIRST}')
       AS seen_from, SUM(-LN(1 - u(i, 8))) OVER (ORDER BY i) / SUM(-LN(1 - u(i, 8))) OVER () AS upto
FROM (SELECT *, CASE WHEN u(i, 3) < 0.3 AND left_at < TIMESTAMP '{END}' AND left_at > TIMESTAMP '{FIRST}'
                     THEN left_at END AS lost_at
      FROM (SELECT *, began + TO_DAYS(CAST(days * (1 + FLOOR(u(i, 4) * 8 * 91 / days)) AS INTEGER)) AS left_at
            FROM (SELECT i, PRINTF('A%07d', i) AS account_id, CASE WHEN u(i, 1) < 0.6 THEN 91 ELSE 364 END AS days,
                         TIMESTAMP '{FIRST}' + TO_DAYS(CAST(FLOOR(u(i, 2) * {SPAN + 320}) - 380 AS INTEGER)) AS began,
                         pick(['small', 'medium', 'large'], i, 5) AS segment,
                         30 + 20 * FLOOR(u(i, 6) * u(i, 7) * 100) AS mrr
                  FROM RANGE({{accounts}}) numbers(i))))
"""
"""One row an account; it was there within [seen_from, until), and `upto` is its place in the activity of all."""

GOING = "CASE WHEN lost_at IS NULL THEN 0 ELSE GREATEST(0, 1 - DATE_DIFF('day', t, lost_at) / 120.0) END"
"""How far an account is on its way out at a moment: 0 at 120 days before the loss, 1 at the loss."""


def _some(each: int, question: int) -> str:
    """About `each` moments an account within its life; `n` numbers them all."""
    spread = f"u(i * {each} + k, {question}) * DATE_DIFF('second', seen_from, until) / 86400.0"
    return f"""(SELECT *, {GOING} AS going
                FROM (SELECT l.*, i * {each} + k AS n, after(seen_from, {spread}) AS t
                      FROM life l, RANGE({each}) ks(k) WHERE seen_from < until))"""


TABLES = {
    "accounts": """
        SELECT account_id, began AS started_at, began AS created_at, segment,
               'csm ' || CAST(1 + FLOOR(u(i, 11) * 40) AS INTEGER) AS owner,
               pick(['DE', 'FR', 'UK', 'US', 'NL', 'SE'], i, 12) AS country,
               pick(['health', 'retail', 'software', 'public', 'finance'], i, 13) AS industry
        FROM life""",
    "subscriptions": f"""
        SELECT account_id, started_at, CASE WHEN is_settled THEN ended_at END AS ended_at, ended_at AS renews_at, mrr,
               1 + CAST(mrr / 40 AS INTEGER) AS seats, segment AS plan,
               CASE WHEN days = 91 THEN 'quarterly' ELSE 'annual' END AS billing_period, u(i, 21) < 0.7 AS auto_renew,
               CASE WHEN u(i, 22) < 0.2 THEN 0.1 ELSE 0 END AS discount,
               CASE WHEN is_settled AND ended_at = lost_at THEN notice_at END AS cancelled_at,
               CASE WHEN is_settled AND ended_at = lost_at THEN pick(['price', 'product', 'support'], i, 23) END
               AS cancel_reason,
               CASE WHEN NOT is_settled THEN started_at WHEN ended_at = lost_at THEN notice_at ELSE ended_at END
               AS updated_at
        FROM (SELECT l.*, started_at, started_at + TO_DAYS(days) AS ended_at, after(started_at, days - 7 * u(i, 24)) AS
                     notice_at
              FROM life l, LATERAL (SELECT l.began + TO_DAYS(CAST(k * l.days AS INTEGER)) AS started_at
                                    FROM RANGE(12) ks(k)) t WHERE started_at < until),
             (VALUES (FALSE), (TRUE)) v(is_settled)
        WHERE NOT is_settled OR CASE WHEN ended_at = lost_at THEN notice_at ELSE ended_at END <= TIMESTAMP '{END}'
        ORDER BY updated_at""",
    "feedback": f"""
        SELECT account_id, 'F' || n AS row_id, account_id || '-0' AS user_id, t AS "at",
               CASE WHEN u(n, 31) < 0.5 THEN 'survey_sent' WHEN u(n, 31) < 0.8 THEN 'nps' ELSE 'csat' END AS kind,
               CASE WHEN u(n, 31) < 0.5 THEN NULL
                    WHEN u(n, 31) < 0.8 THEN FLOOR(11 * POW(u(n, 32), 0.4 + 1.2 * going))
                    ELSE 1 + FLOOR(5 * POW(u(n, 32), 0.4 + 1.2 * going)) END AS score, NULL::VARCHAR AS text
        FROM {_some(6, 33)} ORDER BY t""",
    "support": f"""
        SELECT account_id, 'K' || n AS ticket_id, t AS opened_at, after(t, 0.2) AS first_response_at,
               CASE WHEN is_settled THEN after(t, 0.3 + 6 * u(n, 41)) END AS resolved_at,
               pick(['low', 'normal', 'high', 'urgent'], n, 42) AS priority,
               CASE WHEN u(n, 43) < 0.1 + 0.4 * going THEN 1 ELSE 0 END AS escalations, 0 AS reopened,
               CASE WHEN is_settled THEN 1 + FLOOR(5 * POW(u(n, 44), 0.3 + going)) END AS csat,
               pick(['billing', 'bug', 'question'], n, 45) AS topic,
               CASE WHEN is_settled THEN after(t, 0.3 + 6 * u(n, 41)) ELSE after(t, 0.2) END AS updated_at
        FROM {_some(6, 46)}, (VALUES (FALSE), (TRUE)) v(is_settled)
        WHERE u(n, 47) < 0.3 + 0.7 * going
              AND (NOT is_settled OR after(t, 0.3 + 6 * u(n, 41)) < TIMESTAMP '{END}') ORDER BY updated_at""",
    "touchpoints": f"""
        SELECT account_id, 'T' || n AS row_id, t AS "at", pick(['meeting', 'email', 'qbr', 'training'], n, 51) AS kind,
               CASE WHEN u(n, 52) < 0.6 THEN 'outbound' ELSE 'inbound' END AS direction,
               u(n, 53) < 0.8 - 0.5 * going AS answered, 1 + FLOOR(5 * POW(u(n, 54), 0.4 + 1.5 * going)) AS sentiment
        FROM {_some(5, 55)} ORDER BY t""",
    "invoices": f"""
        SELECT account_id, 'I' || (i * 20 + k) AS row_id, t AS "at", mrr AS amount,
               CASE WHEN u(i * 20 + k, 61) < 0.03 + 0.1 * going THEN 'failed' ELSE 'paid' END AS status, 0 AS discount
        FROM (SELECT *, {GOING} AS going
              FROM (SELECT l.*, k, seen_from + TO_DAYS(CAST(30 * k AS INTEGER)) AS t FROM life l, RANGE(20) ks(k)))
        WHERE t < until ORDER BY t""",
    "usage": f"""
        SELECT account_id, account_id || '-' || (r % 4) AS user_id, 'S' || (r // 3) AS session_id, t AS "at",
               {list(EVENTS)}[1 + CAST(FLOOR({len(EVENTS)} * POW(u(r, 71), 2)) AS INTEGER)] AS event,
               CAST(1 + r % 9 AS DECIMAL(18, 3)) AS quantity,
               after(t, CASE WHEN u(r, 72) < 0.01 THEN 5 * u(r, 73) ELSE 0.04 * u(r, 73) END) AS loaded_at
        FROM (SELECT e.r, l.account_id,
                     after(seen_from, DATE_DIFF('second', seen_from, until) / 86400.0
                           * POW(u(e.r, 74), CASE WHEN lost_at IS NULL THEN 1.0 ELSE 1.8 END)) AS t
              FROM (SELECT r, u(r, 75) AS place FROM RANGE({{events}}) numbers(r)) e
              ASOF JOIN life l ON e.place <= l.upto)
        ORDER BY t""",
}
