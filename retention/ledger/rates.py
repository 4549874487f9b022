"""Churn, revenue retention and lifetime value of accounts over a period, each as retention/metrics.py defines it."""

import numpy as np

from retention.blocks import Block, Column, Value, rows
from retention.figures import UNKNOWN, Figure, ratio, share
from retention.ledger.periods import Accounts, Ledger, Period, compared
from retention.ledger.renewals import renewal_rate
from retention.metrics import METRICS
from retention.sections import Bound

ENTERPRISE = ("logo_churn", "revenue_churn", "grr", "nrr", "renewal_rate")


def logo_churn(found: Accounts, fewest: int = 1) -> Figure:
    """Customers of the beginning lost in the period / customers of the beginning."""
    return share(int(found.lost.sum()), int(found.customer.sum()), fewest=fewest)


def retention_rate(found: Accounts, fewest: int = 1) -> Figure:
    """Customers of the beginning not lost in the period / customers of the beginning (systems L11)."""
    held = int((found.customer & ~found.lost).sum())
    return share(held, int(found.customer.sum()), fewest=fewest)


def monthly_churn(found: Accounts, fewest: int = 1) -> Figure:
    """Losses / customer-months: the chance of a customer to be lost in a month."""
    return share(int(found.losses.sum()), int(found.customer_months.sum()), fewest=fewest)


def revenue(found: Accounts, fewest: int = 1) -> dict[str, Figure]:
    """revenue_churn, grr and nrr of the customers of the beginning; not known where money is not."""
    held = found.only(found.customer | (found.begin > 0))
    if len(held.begin) < fewest or np.isnan(held.begin).any():
        return dict.fromkeys(("revenue_churn", "grr", "nrr"), Figure(None, len(held.begin)))
    lost = held.churn + held.contraction
    kept = held.begin - lost
    return {
        "revenue_churn": ratio(lost, held.begin),
        "grr": ratio(kept, held.begin),
        "nrr": ratio(kept + held.expansion, held.begin),
    }


def paid_a_month(found: Accounts) -> float | None:
    """Mean recurring revenue a customer and month; None where money is not known."""
    months = float(found.customer_months.sum())
    return float(found.paid.sum()) / months if months and not np.isnan(found.paid).any() else None


def ltv(found: Accounts, margin: float, fewest: int = 1) -> Figure:
    """Mean recurring revenue a customer and month x gross margin / monthly churn; not known while nobody was lost.

    The interval is that of the churn; the revenue is counted, not sampled.
    """
    paid, churn = paid_a_month(found), monthly_churn(found, fewest)
    if paid is None or not churn.value:
        return Figure(None, churn.n)
    worth = paid * margin
    return Figure(worth / churn.value, churn.n, worth / churn.high if churn.high else None,
                  worth / churn.low if churn.low else None)  # fmt: skip


def expansion(found: Accounts) -> Figure:
    """Recurring revenue added by customers held, as a sum a month."""
    return UNKNOWN if np.isnan(found.expansion).any() else Figure(float(found.expansion.sum()), len(found.begin))


def figures(ledger: Ledger, found: Accounts, period: Period) -> dict[str, Figure]:
    """The rates of a period's accounts by metric name."""
    fewest = ledger.inputs.house.programme.fewest
    rates = {"logo_churn": logo_churn(found, fewest)} | revenue(found, fewest)
    return rates | {"renewal_rate": renewal_rate(ledger.inputs, period)}


def block(ledger: Ledger) -> Block:
    """The enterprise metrics against every target set (systems R2-R5, S14)."""
    house, now = ledger.inputs.house, figures(ledger, ledger.accounts, ledger.year)
    then = figures(ledger, ledger.accounts_before, ledger.before) if ledger.accounts_before and ledger.before else {}
    sets = list(house.targets.items())
    told: list[tuple[Value, ...]] = []
    for name in (name for name in ENTERPRISE if now[name].value is not None):
        before = then.get(name, UNKNOWN)
        held = [judged(now[name], one.bounds.get(name), ledger.is_year) for _, one in sets]
        told.append((METRICS[name].title, now[name], *compared(ledger, now[name], before), *held))
    return Block(
        id="rates",
        title="Churn and retention against targets",
        systems=("R2", "R3", "R4", "R5", "S14", "X12"),
        says=f"Over {ledger.times} ({ledger.year}), of the customers at its beginning; a customer who left and came "
        "back counts as lost. A target is unsure when the interval holds it."
        + ("" if ledger.is_year else " Targets are for a year, which the data do not fill."),
        columns=(
            Column("metric", "Metric"),
            Column("value", "Value", "share", has_interval=True),
            *ledger.beside,
            *(Column(f"target_{name}", f"Target: {one.title}") for name, one in sets),
        ),
        rows=rows(told),
        notes=(f"The dashboard is held against {house.targets[house.money.target_set].title}.",),
    )


def judged(found: Figure, bound: Bound | None, is_year: bool = True) -> str | None:
    """A target in words, and whether it is met; None where the set has none."""
    if bound is None:
        return None
    side = "below" if bound.below is not None else "above"
    told = f"{side} {100 * (bound.below or bound.above or 0.0):g} %"
    met = bound.is_met(found.value)
    if met is None or not is_year:
        return f"{told}: not judged"
    limit = bound.below if bound.below is not None else bound.above
    unsure = found.low is not None and found.high is not None and found.low <= (limit or 0.0) <= found.high
    return f"{told}: {'met' if met else 'missed'}{', unsure' if unsure else ''}"
