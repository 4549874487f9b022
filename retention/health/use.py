"""How customers use the product, month by month."""

from retention.blocks import Block, Chart, Column, rows
from retention.figures import mean, numbers, share
from retention.inputs import Inputs

MONTHS = 24


def by_month(inputs: Inputs) -> Block:
    """Customers that used the product, and how much, over whole months (systems R18)."""
    found = inputs.rows(
        f"""WITH months AS (
                SELECT CAST(m AS TIMESTAMP) AS month FROM RANGE(
                    DATE_TRUNC('month', (SELECT MIN(r.at) FROM known_usage r)) + INTERVAL 1 MONTH,
                    DATE_TRUNC('month', {inputs.moment}), INTERVAL 1 MONTH) t(m)),
            customers AS (
                SELECT DISTINCT month, account_id FROM months JOIN customer_spans
                     ON began_at < month + INTERVAL 1 MONTH AND (ended_at IS NULL OR ended_at > month)),
            used AS (
                SELECT DATE_TRUNC('month', r.at) AS month, account_id, COUNT(DISTINCT CAST(r.at AS DATE)) AS days,
                       COUNT(DISTINCT event) AS kinds
                FROM known_usage r GROUP BY ALL)
            SELECT c.month, COUNT(*), COUNT(u.days), LIST(u.days) FILTER (u.days IS NOT NULL),
                   LIST(u.kinds) FILTER (u.days IS NOT NULL)
            FROM customers c LEFT JOIN used u ON u.account_id = c.account_id AND u.month = c.month
            GROUP BY c.month ORDER BY c.month DESC LIMIT {MONTHS}"""
    )
    told = [
        (month, share(int(str(active)), int(str(n))), mean(numbers(days)), mean(numbers(kinds)))
        for month, n, active, days, kinds in reversed(found)
    ]
    return Block(
        id="use",
        title="Use by month",
        systems=("R18",),
        says="Of the customers of a whole month, those with any use; of these, days of use and different events in the "
        "month (means). Accounts that were customers for a part of the month count.",
        columns=(
            Column("month", "Month", "month"),
            Column("active", "With any use", "share", has_interval=True),
            Column("days", "Days of use", "number", has_interval=True),
            Column("kinds", "Different events", "number", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("line", "month", ("active",)),
    )
