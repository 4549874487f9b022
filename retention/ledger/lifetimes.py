"""The shared tables of the ledger: stints as a customer, losses, and the money month by month.

All as known at `as_of`: a term back-filled later is not there, and an outcome not yet observed is no loss. Stints and
terms are intervals (began, ended]: what begins at a midnight belongs to the day that begins with it, and a contract
that ends at that midnight ran until the day before. A month is [first, first of the next).
"""

from datetime import datetime
from typing import TYPE_CHECKING

from retention.ledger import losses, movements

if TYPE_CHECKING:
    from retention.inputs import Inputs


def make(inputs: "Inputs") -> None:
    """Make customer_spans, churn_events and movements.

    `customer_spans(account_id, nth, began_at, ended_at, last_at)` holds stints as a customer, the first is 1; ended_at
    is null while one lasts. `last_at` is the last moment that money could flow: the end, or the last use before a
    silence that became a loss.

    `churn_events(account_id, at, began_at, returned_at, reason, intent, preventable, monthly_cents)` has one row for
    each stint that ended; returned_at is the begin of the next one, monthly_cents what the account paid a month.

    `movements(account_id, month, begin_cents, new_cents, reactivation_cents, expansion_cents, contraction_cents,
    churn_cents, end_cents)`: see `retention.ledger.movements`.
    """
    engine, settings, at = inputs.engine, inputs.settings, inputs.moment
    until = observed_until(inputs)
    engine.create("loss_moments", _moments(inputs, until))
    engine.create("customer_spans", _spans(_begins(inputs)))
    engine.create("_losses", _losses())
    movements.make_money(inputs)
    told = losses.with_told(settings, inputs.staged, "_losses", "account_id, nth", at, also="began_at, returned_at")
    engine.create(
        "churn_events",
        f"""SELECT o.account_id, o.churned_at AS at, o.began_at, o.returned_at, o.reason,
                   CASE WHEN o.is_involuntary THEN 'involuntary' ELSE 'voluntary' END AS intent, o.preventable,
                   p.cents AS monthly_cents
            FROM ({told}) o LEFT JOIN ({movements.paid_before_loss(inputs)}) p
                 ON p.account_id = o.account_id AND p.nth = o.nth""",
    )
    movements.make(inputs, until)


def observed_until(inputs: "Inputs") -> datetime:
    """The last moment that losses are known of, at most `as_of`; `as_of` where the source of churn holds no row."""
    told = inputs.settings.churn.observed_until
    found = told or inputs.rows(losses.last_word(inputs.settings, inputs.staged, inputs.moment))[0][0]
    return min(found, inputs.as_of) if isinstance(found, datetime) else inputs.as_of


def _moments(inputs: "Inputs", until: datetime) -> str:
    """Losses that were observed: account_id, churned_at, last_at, reason."""
    churn = inputs.settings.churn
    query = {"contract": losses.contract_ends, "inactivity": losses.silences, "told": losses.told}[churn.kind]
    grace = churn.grace_days if churn.kind == "contract" else 0
    silent = churn.horizon_days if churn.kind == "inactivity" else 0
    return f"""
        SELECT account_id, churned_at, churned_at - INTERVAL {silent} DAY AS last_at, reason
        FROM ({query(inputs.settings, inputs.moment)})
        WHERE churned_at + INTERVAL {grace} DAY <= {inputs.engine.moment(until)}"""


def _begins(inputs: "Inputs") -> str:
    """Moments at which a customer may begin: a term's start, or a use; else the account's own start."""
    kind, at = inputs.settings.churn.kind, inputs.moment
    if kind == "inactivity":
        return "SELECT r.account_id, r.at AS began_at FROM known_usage r"
    if inputs.has("subscriptions"):
        terms = losses.newest("subscriptions", at)
        return f"SELECT r.account_id, r.started_at AS began_at FROM {terms} r WHERE r.started_at < {at}"
    return "SELECT account_id, COALESCE(started_at, known_at) AS began_at FROM known_accounts"


def _spans(begins: str) -> str:
    """A stint begins with the first begin after the loss before it, and ends with the next loss."""
    return f"""
        SELECT account_id, ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY began_at) AS nth,
               began_at, ended_at, last_at
        FROM (SELECT account_id, MIN(began_at) AS began_at, ended_at, MIN(last_at) AS last_at
              FROM (SELECT b.account_id, b.began_at, MIN(m.churned_at) AS ended_at, MIN(m.last_at) AS last_at
                    FROM (SELECT DISTINCT account_id, began_at FROM ({begins})) b
                    LEFT JOIN loss_moments m ON m.account_id = b.account_id AND m.churned_at >= b.began_at
                    GROUP BY b.account_id, b.began_at)
              GROUP BY account_id, ended_at)"""


def _losses() -> str:
    return """
        SELECT s.account_id, s.nth, s.began_at, s.ended_at AS churned_at, s.last_at, n.began_at AS returned_at, m.reason
        FROM customer_spans s
        JOIN loss_moments m ON m.account_id = s.account_id AND m.churned_at = s.ended_at
        LEFT JOIN customer_spans n ON n.account_id = s.account_id AND n.nth = s.nth + 1"""
