"""The five inputs that decisions about retention are made on, with their age, coverage and owner."""

from dataclasses import dataclass
from datetime import datetime

from retention.blocks import Block, Column, Value, rows
from retention.inputs import Inputs

DAYS = 84


@dataclass(frozen=True)
class Series:
    """An input: who owns it, which columns it needs, SQL for its number in the 84 days before a moment `{at}`.

    `filled` is SQL for the share of the rows in question that say what is counted.
    """

    title: str
    owner: str
    source: str
    needs: tuple[str, ...]
    clock: str
    number: str
    filled: str


LATELY = f"{{at}} - INTERVAL {DAYS} DAY"
CUSTOMERS = "(SELECT account_id FROM customer_spans WHERE began_at < {at} AND (ended_at IS NULL OR ended_at > {at}))"
OPEN = "opened_at < {at} AND (resolved_at IS NULL OR resolved_at > {at})"
KINDS = f"""SELECT account_id, COUNT(DISTINCT event) AS kinds FROM known_usage r
            WHERE r.at < {{at}} AND r.at >= {LATELY} AND account_id IN {CUSTOMERS} GROUP BY account_id"""

FIVE = (
    Series(
        "Cancellation reasons told",
        "cs_lead",
        "churns",
        ("churns", "reason"),
        "at",
        f"SELECT COUNT(*) FROM known_churns r WHERE reason IS NOT NULL AND r.at < {{at}} AND r.at >= {LATELY}",
        "SELECT AVG(CAST(reason IS NOT NULL AS INTEGER)) FROM churn_events",
    ),
    Series(
        "Usage drops: customers without any use",
        "csm",
        "usage",
        ("usage",),
        "at",
        f"""SELECT COUNT(*) FROM {CUSTOMERS} WHERE account_id NOT IN
            (SELECT account_id FROM known_usage r WHERE r.at < {{at}} AND r.at >= {LATELY})""",
        f"""SELECT AVG(CAST(account_id IN (SELECT account_id FROM known_usage) AS INTEGER)) FROM {CUSTOMERS}""",
    ),
    Series(
        "Support backlog: tickets open",
        "support",
        "support",
        ("support",),
        "opened_at",
        f"SELECT COUNT(*) FROM known_support WHERE {OPEN}",
        "SELECT AVG(CAST(topic IS NOT NULL AS INTEGER)) FROM known_support",
    ),
    Series(
        "Adoption gaps: customers with at most half the usual kinds of events",
        "product",
        "usage",
        ("usage", "event"),
        "at",
        f"SELECT COUNT(*) FILTER (kinds <= (SELECT MEDIAN(kinds) / 2 FROM ({KINDS}))) FROM ({KINDS})",
        "SELECT AVG(CAST(event IS NOT NULL AS INTEGER)) FROM known_usage",
    ),
    Series(
        "Renewal timing: terms that renew within the 84 days after",
        "sales",
        "subscriptions",
        ("subscriptions", "renews_at"),
        "started_at",
        f"""SELECT COUNT(*) FROM known_subscriptions
            WHERE started_at < {{at}} AND (ended_at IS NULL OR ended_at > {{at}})
              AND renews_at >= {{at}} AND renews_at < {{at}} + INTERVAL {DAYS} DAY""",
        "SELECT AVG(CAST(renews_at IS NOT NULL AS INTEGER)) FROM known_subscriptions",
    ),
)
"""Reasons, usage, backlog, adoption and renewals (systems X6, X23); owners are roles of the policy."""


def block(inputs: Inputs) -> Block:
    """The inputs that the company's data have, now and 84 days ago."""
    return Block(
        id="decision_inputs",
        title="Inputs of decisions",
        systems=("X6", "X16", "X23"),
        says=f"Counts over {DAYS} days, now and {DAYS} days ago, from what is known today; the newest row of each "
        "source, and the share of its rows that say what is counted. An input that is old or thin cannot "
        "carry a decision.",
        columns=(
            Column("input", "Input"),
            Column("source", "Source"),
            Column("owner", "Owner"),
            Column("now", "Now", "count"),
            Column("before", f"{DAYS} days ago", "count"),
            Column("newest", "Newest row", "day"),
            Column("age_days", "Days old", "days"),
            Column("filled", "Filled", "share"),
        ),
        rows=rows(_told(inputs, one) for one in FIVE if inputs.has(*one.needs)),
    )


def missing(inputs: Inputs) -> list[str]:
    """The inputs that no source delivers."""
    return [f"{one.title}: map {_place(one.needs)}" for one in FIVE if not inputs.has(*one.needs)]


def _told(inputs: Inputs, one: Series) -> tuple[Value, ...]:
    then = f"({inputs.moment} - INTERVAL {DAYS} DAY)"
    newest, age = inputs.rows(
        f"SELECT MAX(r.{one.clock}), DATEDIFF('day', MAX(r.{one.clock}), {inputs.moment}) FROM known_{one.source} r"
    )[0]
    assert newest is None or isinstance(newest, datetime)
    now, before = (_number(inputs, one.number, at) for at in (inputs.moment, then))
    days = None if age is None else float(str(age))
    return one.title, one.source, one.owner, now, before, newest, days, _number(inputs, one.filled, inputs.moment)


def _number(inputs: Inputs, sql: str, at: str) -> float | None:
    found = inputs.rows(sql.format(at=at))[0][0]
    return None if found is None else float(str(found))


def _place(needs: tuple[str, ...]) -> str:
    source, *columns = needs
    return f"[sources.{source}]" + (f" {columns[0]}" if columns else "")
