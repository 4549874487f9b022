"""Money month by month: what each customer paid at a month's end, and what moved it there.

With contracts a balance is the recurring revenue of the terms that run at the end of the month: overlapping terms add
up, a term without a price is free, and a gap bridged by the grace days is counted at the price before it. With orders
it is what the account spent in the month, never below zero. Where neither is known the balances are null: movements
then tell customers, and money is not known.

Between two balances of a customer, begin + new + reactivation + expansion - contraction - churn = end:

- churn: all of begin, when the stint ended; a customer who left and came back within the period is both lost and won;
- contraction: what was paid less, by a customer held;
- expansion: what was paid more, by a customer who had paid before in the same stint;
- new: what an account paid that never had before;
- reactivation: what an account paid in a later stint, having paid in an earlier one.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from retention.ledger import losses

if TYPE_CHECKING:
    from retention.inputs import Inputs

Money = Literal["terms", "uses", "invoices"]
DAYS_A_MONTH = 365 / 12
SPENT_DAYS = 84
"""What a customer with orders pays a month is its spending of so many days (value.YEARLY), made a month's."""


def money_of(inputs: "Inputs") -> Money | None:
    """Which source tells the money; None where none does."""
    if inputs.has("subscriptions", "mrr"):
        return "terms"
    if inputs.settings.churn.kind == "contract":
        return None
    if inputs.has("usage", "value"):
        return "uses"
    return "invoices" if inputs.has("invoices", "amount") else None


def make_money(inputs: "Inputs") -> None:
    """Make `paid_terms`, contract terms with `paid_until` over bridged gaps, and `spendings`, orders."""
    inputs.engine.create("paid_terms", _paid_terms(inputs))
    inputs.engine.create("spendings", _spendings(money_of(inputs)))


def make(inputs: "Inputs", until: datetime) -> None:
    """Make `balances` and `movements` of the whole months whose losses are all known."""
    engine = inputs.engine
    engine.create("months", _months(inputs, until))
    engine.create("balances", _order_balances() if money_of(inputs) in ("uses", "invoices") else _term_balances(inputs))
    engine.create(
        "movements", between("SELECT month, month - INTERVAL 1 MONTH AS begin_month, month AS end_month FROM months")
    )


def between(periods: str) -> str:
    """Movements of every account over periods, from the end of `begin_month` to the end of `end_month`.

    `periods` is SQL with month (which names the period), begin_month, end_month. Rows are accounts that were
    customers at either end.
    """
    return f"""
        SELECT account_id, CAST(month AS DATE) AS month, begin_cents,
               CASE WHEN gain > 0 AND NOT ever_paid THEN gain ELSE 0 * gain END AS new_cents,
               CASE WHEN gain > 0 AND ever_paid AND NOT has_paid THEN gain ELSE 0 * gain END AS reactivation_cents,
               CASE WHEN gain > 0 AND has_paid THEN gain ELSE 0 * gain END AS expansion_cents,
               CASE WHEN gain < 0 THEN -gain ELSE 0 * gain END AS contraction_cents,
               begin_cents - held_cents AS churn_cents, end_cents
        FROM (SELECT *, end_cents - held_cents AS gain FROM ({_ends(periods)}))"""


def _ends(periods: str) -> str:
    """Both balances of a period; `held_cents` is the first one where the stint went on, else 0."""
    ends = [
        f"""SELECT b.account_id, b.cents, b.nth, p.month, p.begin_month, p.end_month
            FROM ({periods}) p JOIN balances b ON b.month = p.{end}"""
        for end in ("begin_month", "end_month")
    ]
    is_lost = "e.nth IS DISTINCT FROM b.nth AND s.last_at < b.end_month + INTERVAL 1 MONTH"
    return f"""
        SELECT COALESCE(b.account_id, e.account_id) AS account_id, COALESCE(b.month, e.month) AS month,
               CASE WHEN b.nth IS NULL THEN 0 * e.cents ELSE b.cents END AS begin_cents,
               CASE WHEN e.nth IS NULL THEN 0 * b.cents ELSE e.cents END AS end_cents,
               CASE WHEN b.nth IS NULL THEN 0 * e.cents WHEN {is_lost} THEN 0 * b.cents ELSE b.cents END AS held_cents,
               COALESCE(f.month <= e.begin_month, FALSE) AS has_paid,
               COALESCE(f.first_month <= e.begin_month, FALSE) AS ever_paid
        FROM ({ends[0]}) b FULL JOIN ({ends[1]}) e ON e.account_id = b.account_id AND e.month = b.month
        LEFT JOIN customer_spans s ON s.account_id = b.account_id AND s.nth = b.nth
        LEFT JOIN (SELECT account_id, nth, MIN(CASE WHEN cents > 0 THEN month END) AS month,
                          MIN(MIN(CASE WHEN cents > 0 THEN month END)) OVER (PARTITION BY account_id) AS first_month
                   FROM balances GROUP BY account_id, nth) f
             ON f.account_id = e.account_id AND f.nth = e.nth"""


def _months(inputs: "Inputs", until: datetime) -> str:
    """First days of the whole months from the first that the company recorded to the last whose losses are known.

    A loss is known when its grace, or the silence that makes it one, has passed.
    """
    source, clock = ("usage", "at") if inputs.settings.churn.kind == "inactivity" else ("subscriptions", "known_at")
    if not inputs.has(source):
        source, clock = "accounts", "started_at"
    churn = inputs.settings.churn
    wait = {"contract": churn.grace_days, "inactivity": churn.horizon_days, "told": 0}[churn.kind]
    end = f"{inputs.engine.moment(until)} - INTERVAL {wait} DAY"
    return f"""
        SELECT month FROM (
            SELECT UNNEST(GENERATE_SERIES(DATE_TRUNC('month', MIN(r.{clock})), {end}, INTERVAL 1 MONTH)) AS month
            FROM known_{source} r)
        WHERE month + INTERVAL 1 MONTH <= {end}"""


def _paid_terms(inputs: "Inputs") -> str:
    """Terms with `paid_until`: a term that the next one follows within the grace days is paid until then."""
    terms = losses.newest("subscriptions", inputs.moment)
    grace = inputs.settings.churn.grace_days if inputs.settings.churn.kind == "contract" else 0
    mrr = "COALESCE(MAX(e.mrr_cents), 0)" if money_of(inputs) == "terms" else "CAST(NULL AS BIGINT)"
    return f"""
        WITH terms AS (SELECT *, ROW_NUMBER() OVER (ORDER BY account_id, started_at) AS id FROM {terms})
        SELECT MAX(e.account_id) AS account_id, MAX(e.started_at) AS started_at,
               GREATEST(MAX(e.ended_at), MIN(n.started_at)) AS paid_until, {mrr} AS mrr_cents
        FROM terms e
        LEFT JOIN terms n ON n.account_id = e.account_id AND e.ended_at IS NOT NULL
             AND n.started_at <= e.ended_at + INTERVAL {grace} DAY
             AND (n.ended_at IS NULL OR n.ended_at > e.ended_at)
        GROUP BY e.id"""


def _spendings(money: Money | None) -> str:
    if money == "uses":
        columns = "r.account_id, r.at AS paid_at, r.value_cents AS cents"
        return f"SELECT {columns} FROM known_usage r WHERE r.value_cents IS NOT NULL"
    net = "CASE status WHEN 'failed' THEN 0 WHEN 'refunded' THEN -amount_cents ELSE amount_cents END"
    where = "amount_cents IS NOT NULL" if money == "invoices" else "FALSE"
    return f"SELECT r.account_id, r.at AS paid_at, {net} AS cents FROM known_invoices r WHERE {where}"


def _term_balances(inputs: "Inputs") -> str:
    """account_id, month, nth, cents of every customer at each month's end, and at the end of the month before them."""
    nothing = "0" if money_of(inputs) else "NULL"
    return f"""
        SELECT s.account_id, e.month, s.nth, CAST(COALESCE(SUM(t.mrr_cents), {nothing}) AS BIGINT) AS cents
        FROM (SELECT month FROM months UNION SELECT MIN(month) - INTERVAL 1 MONTH FROM months) e
        JOIN customer_spans s ON s.began_at < e.month + INTERVAL 1 MONTH
             AND (s.ended_at IS NULL OR s.ended_at >= e.month + INTERVAL 1 MONTH)
        LEFT JOIN paid_terms t ON t.account_id = s.account_id AND t.started_at < e.month + INTERVAL 1 MONTH
             AND (t.paid_until IS NULL OR t.paid_until >= e.month + INTERVAL 1 MONTH)
        GROUP BY s.account_id, e.month, s.nth"""


def _order_balances() -> str:
    """account_id, month, nth (the stint of the month's last order), cents of every month with an order."""
    return """
        SELECT o.account_id, o.month, MAX(s.nth) AS nth, CAST(MAX(o.cents) AS BIGINT) AS cents
        FROM (SELECT account_id, DATE_TRUNC('month', paid_at) AS month, MAX(paid_at) AS paid_at,
                     GREATEST(SUM(cents), 0) AS cents
              FROM spendings GROUP BY 1, 2) o
        JOIN customer_spans s ON s.account_id = o.account_id AND s.began_at <= o.paid_at
        GROUP BY o.account_id, o.month"""


def paid_before_loss(inputs: "Inputs") -> str:
    """account_id, nth, cents: what an account paid a month before a loss; null where money is not known."""
    if money_of(inputs) in ("terms", None):
        return """
            SELECT o.account_id, o.nth, CAST(SUM(t.mrr_cents) AS BIGINT) AS cents
            FROM _losses o JOIN paid_terms t ON t.account_id = o.account_id AND t.started_at < o.churned_at
                 AND (t.paid_until IS NULL OR t.paid_until >= o.churned_at)
            GROUP BY o.account_id, o.nth"""
    return f"""
        SELECT o.account_id, o.nth,
               CAST(ROUND(GREATEST(COALESCE(SUM(p.cents), 0), 0) * {DAYS_A_MONTH / SPENT_DAYS}) AS BIGINT) AS cents
        FROM _losses o LEFT JOIN spendings p ON p.account_id = o.account_id AND p.paid_at <= o.last_at
             AND p.paid_at > o.last_at - INTERVAL {SPENT_DAYS} DAY
        GROUP BY o.account_id, o.nth"""
