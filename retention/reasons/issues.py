"""Issues that come back at the same accounts."""

from retention.blocks import Block, Column, rows
from retention.figures import share
from retention.inputs import Inputs
from retention.reasons.causes import Vocabulary


def register(inputs: Inputs, words: Vocabulary) -> Block:
    """Issues that come back (systems A8): ticket topics with the accounts that had them again and again."""
    house = inputs.house.reasons
    period = f"{inputs.moment} - INTERVAL {house.period_days} DAY"
    found = inputs.rows(
        f"""SELECT topic, SUM(tickets), COUNT(*), COUNT(*) FILTER (tickets >= {house.tickets}), SUM(still_open),
                   COUNT(*) FILTER (tickets >= {house.tickets} AND is_lost),
                   SUM(worth) FILTER (tickets >= {house.tickets})
            FROM (SELECT r.topic, r.account_id, COUNT(*) AS tickets,
                         COUNT(*) FILTER (r.resolved_at IS NULL) AS still_open,
                         BOOL_OR(e.account_id IS NOT NULL) AS is_lost, MAX(s.yearly_value) AS worth
                  FROM known_support r
                  LEFT JOIN (SELECT DISTINCT c.account_id FROM churn_events c
                             WHERE c.at > {period}) e USING (account_id)
                  LEFT JOIN (SELECT account_id, yearly_value FROM score_history
                             WHERE as_of = (SELECT MAX(as_of) FROM score_history)) s USING (account_id)
                  WHERE r.topic IS NOT NULL AND r.opened_at >= {period}
                  GROUP BY r.topic, r.account_id)
            GROUP BY topic ORDER BY 4 DESC, 2 DESC, topic"""
    )
    told = []
    for topic, tickets, accounts, again, still_open, lost, worth in found:
        root = words.of_text(str(topic))
        cause = words.title(root) if root else None
        left = share(int(str(lost)), int(str(again)), fewest=inputs.house.programme.fewest)
        told.append((str(topic), cause, int(str(tickets)), accounts, again, int(str(still_open)), left, worth))
    return Block(
        id="register",
        title="Recurring issues",
        systems=("A8",),
        says=f"Tickets of the last {house.period_days} days by topic. Recurring: accounts with {house.tickets} or more "
        "on it; of those the share that was lost in the same time, and the value a year of those still scored.",
        columns=(
            Column("topic", "Topic"),
            Column("cause", "Cause"),
            Column("tickets", "Tickets", "count"),
            Column("accounts", "Accounts", "count"),
            Column("recurring", "Recurring at", "count"),
            Column("open", "Open now", "count"),
            Column("lost", "Of these lost", "share", has_interval=True),
            Column("value", "Value a year", "money"),
        ),
        rows=rows(told),
    )
