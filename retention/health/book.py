"""The book by tier over time, and what is at risk in it today."""

from collections import defaultdict
from math import sqrt

from retention.blocks import Block, Chart, Column, rows
from retention.figures import Z95, Array, Figure, numbers, share
from retention.inputs import Inputs

NEWEST = "(SELECT * FROM score_history WHERE as_of = (SELECT MAX(as_of) FROM score_history))"


def tiers(inputs: Inputs) -> list[str]:
    """The tiers of the kept scores, the least healthy first (by their mean health)."""
    query = "SELECT tier FROM score_history WHERE tier IS NOT NULL GROUP BY tier ORDER BY AVG(health_score)"
    return [str(tier) for (tier,) in inputs.rows(query)]


def distribution(inputs: Inputs) -> Block:
    """Share of the book in each tier, run by run (systems R16)."""
    counted: dict[object, dict[str, int]] = defaultdict(dict)
    for at, tier, n in inputs.rows(
        "SELECT as_of, COALESCE(tier, '(none)'), COUNT(*) FROM score_history GROUP BY ALL ORDER BY as_of"
    ):
        counted[at][str(tier)] = int(str(n))
    order = [*tiers(inputs), "(none)"]
    told = [
        (at, tier, share(held[tier], sum(held.values())))
        for at, held in counted.items()
        for tier in order
        if tier in held
    ]
    return Block(
        id="distribution",
        title="Health distribution",
        systems=("R16", "H10"),
        says="Share of the scored accounts in each tier, by kept run.",
        columns=(
            Column("as_of", "Run", "day"),
            Column("tier", "Tier"),
            Column("share", "Share", "share", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("stacked", "as_of", ("share",), by="tier"),
    )


def at_risk(inputs: Inputs) -> tuple[Block, dict[str, Figure]]:
    """Accounts in the lowest tier and the value at risk of the whole book, run by run (systems R6, A11)."""
    lowest = tiers(inputs)[0]
    told, counts, values = [], Figure(None, 0), Figure(None, 0)
    for at, n, red, p, worth in inputs.rows(
        f"""SELECT as_of, COUNT(*), COUNT(*) FILTER (tier = '{lowest.replace("'", "''")}'),
                   LIST(churn_probability) FILTER (value_at_risk IS NOT NULL),
                   LIST(yearly_value) FILTER (value_at_risk IS NOT NULL)
            FROM score_history GROUP BY as_of ORDER BY as_of"""
    ):
        counts = Figure(float(str(red)), int(str(n)))
        values = expected_loss(numbers(p), numbers(worth))
        told.append((at, counts, values))
    block = Block(
        id="at_risk",
        title="At risk",
        systems=("R6", "A11"),
        says=f"Accounts in the tier {lowest}, and churn probability x yearly value summed over the whole book. The "
        "interval is of the money that would really be lost were every probability right: each account stays "
        "or leaves.",
        columns=(
            Column("as_of", "Run", "day"),
            Column("accounts", f"Accounts {lowest}", "count", has_interval=True),
            Column("value", "Value at risk", "money", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("line", "as_of", ("accounts",)),
    )
    return block, {"at_risk_accounts": counts, "value_at_risk": values}


def expected_loss(probability: Array, worth: Array) -> Figure:
    """Sum of p v with the normal interval of a sum of independent losses: variance sum of v^2 p (1 - p)."""
    if not len(worth):
        return Figure(None, 0)
    total, spread = float(probability @ worth), sqrt(float((worth**2) @ (probability * (1 - probability))))
    return Figure(total, len(worth), max(0.0, total - Z95 * spread), total + Z95 * spread)


def losses_to_expect(inputs: Inputs) -> Block:
    """Each account of the newest run by value at risk: probability x value (systems A9, A11)."""
    found = inputs.rows(
        f"""SELECT account_id, owner, segment, tier, risk_level, churn_probability, yearly_value, value_at_risk,
                   top_driver_1
            FROM {NEWEST} WHERE value_at_risk IS NOT NULL ORDER BY value_at_risk DESC, account_id"""
    )
    return Block(
        id="losses_to_expect",
        title="Accounts by value at risk",
        systems=("A9", "A11"),
        says="The newest kept run: churn probability within the horizon x yearly value, the largest first; they "
        "sum to the book's value at risk.",
        columns=(
            Column("account_id", "Account"),
            Column("owner", "Owner"),
            Column("segment", "Segment"),
            Column("tier", "Tier"),
            Column("risk_level", "Risk level"),
            Column("churn_probability", "Churn probability", "share"),
            Column("yearly_value", "Value a year", "money"),
            Column("value_at_risk", "Value at risk", "money"),
            Column("driver", "What drives it"),
        ),
        rows=rows(found),
        account="account_id",
    )
