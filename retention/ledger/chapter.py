"""The chapter of what happened to accounts and money."""

from retention.blocks import Block, Chapter
from retention.inputs import Inputs
from retention.ledger import (
    arrivals,
    baseline,
    checks,
    cohorts,
    panels,
    pilots,
    rates,
    renewals,
    returns,
    trends,
    works,
)
from retention.ledger.periods import Ledger, look

ID, TITLE = "ledger", "What happened to customers and revenue"


def chapter(inputs: Inputs) -> Chapter:
    """Churn and retention of the closed months, what they are worth, and what they hide."""
    ledger = look(inputs)
    if ledger is None:
        return Chapter(id=ID, title=TITLE, blocks=(), not_measured=("churn and retention: no month is closed yet",))
    renewals.make(inputs)
    found = panels.figures(ledger)
    blocks = [
        rates.block(ledger),
        panels.metric_set(ledger, found),
        panels.outcomes(ledger) if inputs.settings.company.business_model != "b2c" else None,
        panels.goals(ledger),
        *_happened(ledger),
        *_customers(ledger),
        *_checked(ledger),
    ]
    blocks += [pilots.block(inputs, name, pilot) for name, pilot in inputs.house.pilots.items()]
    return Chapter(
        id=ID,
        title=TITLE,
        blocks=tuple(one for one in blocks if one is not None),
        not_measured=_missing(ledger),
        figures=found,
    )


def _happened(ledger: Ledger) -> list[Block | None]:
    months = trends.months(ledger)
    told = [baseline.by_segment(ledger), trends.churn(ledger, months), trends.by_segment(ledger, months)]
    if ledger.money:
        told.append(trends.money(ledger))
    if ledger.inputs.rows("SELECT 1 FROM churn_events e WHERE e.reason IS NOT NULL LIMIT 1"):
        told += [trends.by_reason(ledger), trends.reasons_by_month(ledger)]
    return [*told, works.trends(ledger, months[None]), works.leads(ledger, months[None])]


def _customers(ledger: Ledger) -> list[Block | None]:
    told = [cohorts.by_start(ledger), cohorts.curves(ledger), cohorts.by_repeat(ledger), cohorts.repeat(ledger)]
    told += [baseline.by_cohort(ledger), baseline.drop_off(ledger), baseline.tenure(ledger)]
    told += [arrivals.block(ledger), returns.won_back(ledger)]
    return [*told, returns.expansion(ledger) if ledger.money else None]


def _checked(ledger: Ledger) -> list[Block | None]:
    inputs = ledger.inputs
    told: list[Block | None] = [renewals.block(ledger)] if inputs.has("subscriptions") else []
    if inputs.has("subscriptions", "discount"):
        told.append(renewals.discounts(ledger))
    return [*told, checks.masking(ledger), checks.together(ledger), checks.economics(ledger)]


def _missing(ledger: Ledger) -> tuple[str, ...]:
    inputs, told = ledger.inputs, []
    if ledger.money is None:
        told.append("revenue, its churn, GRR, NRR and lifetime value: `mrr` of [sources.subscriptions] is not mapped")
    if ledger.before is None:
        told.append(f"the year before: {len(ledger.months)} closed months with customers, two years need 24")
    if not inputs.has("subscriptions"):
        told.append("renewals and discounts at renewal: no [sources.subscriptions] is mapped")
    elif not inputs.has("subscriptions", "discount"):
        told.append("discounts at renewal: `discount` of [sources.subscriptions] is not mapped")
    if not inputs.has("feedback", "score"):
        told.append("NPS and detractors: `score` of [sources.feedback] is not mapped")
    if arrivals.REFERRED_BY not in inputs.staged.attributes:
        told.append("who brought whom: accounts have no attribute `referred_by`, the account that brought them")
    if not inputs.house.goals:
        told.append("goals: none are set under [goals] of retention.toml")
    if not inputs.house.pilots:
        told.append("pilots: none are named under [pilots] of retention.toml")
    return tuple(told)
