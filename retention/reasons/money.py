"""What each driver costs: the value at risk of the book, split among the reasons why it is at risk."""

from collections.abc import Iterable, Mapping
from math import fsum
from typing import Any

from retention.blocks import Block, Chart, Column, rows
from retention.inputs import Inputs

NONE = "none"
"""The driver of accounts at risk that no driver raises: theirs is the risk that every customer has."""


def split(at_risk: Mapping[str, float], drivers: Iterable[tuple[str, str, float]]) -> dict[tuple[str, str], float]:
    """Each account's value at risk among its drivers, by how much each raises its log-odds of leaving.

    Contributions that lower the risk take nothing away: an account's parts are never negative and add up to its value
    at risk, so all parts add up to the book's. Without a driver the whole is under `NONE`.

    Args:
        at_risk: value at risk by account.
        drivers: account, driver, contribution in log-odds above 0.

    >>> split({"a": 90.0, "b": 5.0}, [("a", "price", 1.0), ("a", "support", 0.5)])
    {('a', 'price'): 60.0, ('a', 'support'): 30.0, ('b', 'none'): 5.0}
    """
    told: dict[str, dict[str, float]] = {}
    for account, driver, log_odds in drivers:
        if log_odds > 0:
            told.setdefault(account, {})[driver] = log_odds
    parts: dict[tuple[str, str], float] = {}
    for account, value in at_risk.items():
        raised = told.get(account, {NONE: 1.0})
        whole = fsum(raised.values())
        parts |= {(account, driver): value * x / whole for driver, x in raised.items()}
    return parts


def cost(inputs: Inputs) -> tuple[Block, Block]:
    """Value at risk by driver (systems A12, D14), and by the roles that own the drivers (systems P13, D13)."""
    newest = "as_of = (SELECT MAX(as_of) FROM score_history)"
    book = inputs.rows(
        f"SELECT account_id, value_at_risk FROM score_history WHERE value_at_risk IS NOT NULL AND {newest}"
    )
    told: list[dict[str, Any]] = inputs.engine.query(
        f"SELECT account_id, driver, title, owners, log_odds FROM driver_history WHERE {newest}"
    ).to_pylist()
    at_risk = {str(account): float(str(value)) for account, value in book}
    parts = split(at_risk, ((row["account_id"], row["driver"], row["log_odds"]) for row in told))
    known = {row["driver"]: (row["title"], row["owners"]) for row in told}
    return _by_driver(parts, at_risk, known), _by_role(parts, known)


Parts = Mapping[tuple[str, str], float]
Known = Mapping[str, tuple[str, str]]


def _by_driver(parts: Parts, at_risk: Mapping[str, float], known: Known) -> Block:
    whole, told = fsum(at_risk.values()), []
    for driver in {driver for _, driver in parts}:
        mine = [value for (_, other), value in parts.items() if other == driver]
        title, owners = known.get(driver, ("No driver raises it", ""))
        told.append((driver, title, owners, len(mine), fsum(mine), fsum(mine) / whole if whole else None))
    told.sort(key=lambda row: (row[0] == NONE, -row[4], row[0]))
    return Block(
        id="driver_cost",
        title="What each driver costs",
        systems=("A12", "D14", "P13"),
        says="Value at risk of the newest kept run, a year. Each account's is split among the drivers told on its page "
        "by how much each raises its log-odds of leaving; what lowers the risk takes nothing away. The parts add up to "
        "the book's value at risk. Product reads it as a ranking of what to fix.",
        columns=(
            Column("driver", "Driver"),
            Column("title", "Why they would leave"),
            Column("owners", "Owners"),
            Column("accounts", "Accounts", "count"),
            Column("value", "Value at risk", "money"),
            Column("share", "Of the book's", "share"),
        ),
        rows=rows(told),
        chart=Chart("bar", "title", ("value",)),
        notes=(f"All of it: {whole:,.0f} a year.",),
    )


def _by_role(parts: Parts, known: Known) -> Block:
    roles = sorted({role for _, owners in known.values() for role in owners.split(", ")})
    told = []
    for role in roles:
        owned = {driver for driver, (_, owners) in known.items() if role in owners.split(", ")}
        mine = {key: value for key, value in parts.items() if key[1] in owned}
        titles = ", ".join(sorted(known[driver][0] for driver in owned))
        told.append((role, titles, len({account for account, _ in mine}), fsum(mine.values())))
    return Block(
        id="roles",
        title="Who owns which driver",
        systems=("P13", "D13"),
        says="The roles of the policy with the drivers they answer for. A driver of two roles counts for both, so the "
        "rows do not add up to the book.",
        columns=(
            Column("role", "Role"),
            Column("drivers", "Drivers"),
            Column("accounts", "Accounts", "count"),
            Column("value", "Value at risk", "money"),
        ),
        rows=rows(sorted(told, key=lambda row: (-row[3], row[0]))),
    )
