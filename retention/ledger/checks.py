"""What a good number may hide, and all of them side by side (systems G9, G11, M8)."""

from collections.abc import Callable

from retention.blocks import Block, Column, Value, rows
from retention.figures import UNKNOWN, Figure, difference, share
from retention.inputs import Inputs
from retention.ledger import arrivals, rates, returns
from retention.ledger.periods import Accounts, Ledger, Period, accounts, shifted
from retention.sections import Masking

QUARTER = 3
USED_DAYS = 28


def masking(ledger: Ledger) -> Block:
    """Retention beside expansion and health, whole and by segment (systems G9)."""
    green = _green(ledger.inputs)
    groups = {"all": ledger.accounts} | ledger.accounts.by_segment()
    told = []
    for name, found in groups.items() if len(groups) > 2 else [("all", ledger.accounts)]:
        fewest = ledger.inputs.house.programme.fewest
        kept, paid = rates.retention_rate(found, fewest), rates.revenue(found, fewest)
        ones = [green[account] for account in found.account_id.tolist() if account in green]
        well = share(sum(ones), len(ones), fewest=fewest)
        told.append((name, int(found.customer.sum()), kept, paid["grr"], paid["nrr"], well,
                     hidden(kept, paid["nrr"], well, ledger.inputs.house.masking)))  # fmt: skip
    return Block(
        id="retention_masking",
        title="Does retention hide weak expansion or poor health?",
        systems=("G9",),
        says=f"Over {ledger.times}; healthy: the best tier in the newest kept run, of those scored in it. Looked into "
        f"where retention is at least {ledger.inputs.house.masking.retention:.0%} ([masking] of retention.toml).",
        columns=(
            Column("segment", "Segment"),
            Column("customers", "Customers", "count"),
            Column("retention", "Retention", "share", has_interval=True),
            Column("grr", "GRR", "share", has_interval=True),
            Column("nrr", "NRR", "share", has_interval=True),
            Column("green", "Healthy", "share", has_interval=True),
            Column("hidden", "Retention hides"),
        ),
        rows=rows(told),
    )


def hidden(kept: Figure, nrr: Figure, green: Figure, bounds: Masking) -> str:
    """What a high retention hides: weak expansion, poor health, both or nothing; "retention is not high" else."""
    if kept.value is None:
        return "not known"
    if kept.value < bounds.retention:
        return "retention is not high"
    low = ["weak expansion"] if nrr.value is not None and nrr.value < bounds.nrr else []
    low += ["poor health"] if green.value is not None and green.value < bounds.green else []
    return " and ".join(low) or ("nothing" if nrr.value is not None or green.value is not None else "not known")


def together(ledger: Ledger) -> Block:
    """Retention, reasons, activation, use, support, expansion and cohorts of two quarters (systems G11)."""
    now = Period(shifted(ledger.months[-1], -QUARTER), ledger.months[-1])
    before = now.before()
    reaches = before.begin >= shifted(ledger.months[0], -1)
    told: list[tuple[Value, ...]] = []
    for title, measure in _measures(ledger, now):
        value = measure(now)
        was = measure(before) if reaches else UNKNOWN
        told.append((title, value, was, difference(value, was)))
    return Block(
        id="together",
        title="All of it together",
        systems=("G11",),
        says=f"The last three closed months ({now}) and the three before, as shares. No one of them tells how "
        "customers are: retention comes last of all.",
        columns=(
            Column("measure", "Measure"),
            Column("now", "Now", "share", has_interval=True),
            Column("before", "Before", "share", has_interval=True),
            Column("change", "Change", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def economics(ledger: Ledger) -> Block | None:
    """What keeping costs against winning (systems M8); None where no play or overhead has a cost."""
    inputs, period = ledger.inputs, ledger.year
    at, until = inputs.engine.moment(period.from_at), inputs.engine.moment(period.until_at)
    spent = inputs.rows(
        f"""SELECT SUM(r.cost_cents) / 100.0 FROM known_interventions r
            WHERE r.arm = 'treated' AND r.at >= {at} AND r.at < {until}"""
    )[0][0]
    cost = float(str(spent or 0)) + inputs.house.programme.overhead * period.months
    held = float(ledger.accounts.customer_months.sum()) / period.months
    if not cost or not held:
        return None
    times, lost = inputs.house.money.acquisition_cost_times, int(ledger.accounts.lost.sum())
    worth = rates.ltv(ledger.accounts, inputs.house.money.gross_margin)
    keeping = cost / held * 12 / period.months
    told: list[tuple[Value, ...]] = [
        ("Spent on keeping", cost, f"plays and overhead, {ledger.times}"),
        ("Keeping a customer for a year", keeping, f"over {held:,.0f} customers on average"),
        ("Winning a customer", keeping * times, f"assumed: {times:g} times as much (acquisition_cost_times)"),
        ("Winning the lost ones anew", keeping * times * lost, f"{lost:,} customers of the beginning were lost"),
        ("A customer's lifetime value", worth.value, "margin, not revenue"),
    ]
    saves = f"{cost / worth.value:,.1f} customers kept who would have left pay for all of it." if worth.value else None
    return Block(
        id="economics",
        title="What keeping costs, and what winning would",
        systems=("M8",),
        says="The programme's cost against what it would take to win again who was lost. That winning costs five times "
        "as much, or seven, or 25, is often said and seldom measured: set your own number.",
        columns=(Column("item", "Item"), Column("money", "Money", "money"), Column("how", "How")),
        rows=rows(told),
        notes=(saves,) if saves else (),
    )


Measure = Callable[[Period], Figure]


def _measures(ledger: Ledger, now: Period) -> list[tuple[str, Measure]]:
    inputs, fewest = ledger.inputs, ledger.inputs.house.programme.fewest
    seen: dict[Period, Accounts] = {}

    def book(period: Period) -> Accounts:
        return seen.setdefault(period, accounts(inputs, period))

    reason = _top_reason(ledger)
    found: list[tuple[str, Measure]] = [("Customers kept", lambda period: rates.retention_rate(book(period), fewest))]
    if reason is not None:
        found.append((f"Losses for the commonest reason: {reason}", lambda period: _losses_for(inputs, period, reason)))
    if arrivals.is_measured(inputs):
        found.append(("New customers activated", lambda period: arrivals.activated(inputs, period)))
    if inputs.has("usage") and inputs.settings.churn.kind != "inactivity":  # there all customers have
        found.append((f"Customers with use in the last {USED_DAYS} days", lambda period: _used(inputs, period)))
    if inputs.has("support", "escalations"):
        found.append(("Tickets without an escalation", lambda period: _calm(inputs, period)))
    if ledger.money:
        found.append(("Expansion, of the revenue at the beginning",
                      lambda period: returns.expansion_rate(book(period), fewest)))  # fmt: skip
    found.append(("Customers of three months, kept until then", lambda period: _young(inputs, period)))
    return found


def _green(inputs: Inputs) -> dict[str, bool]:
    """Whether each account is in the best tier of the newest kept run."""
    newest = "SELECT * FROM score_history WHERE tier IS NOT NULL AND as_of = (SELECT MAX(as_of) FROM score_history)"
    found = inputs.rows(
        f"""SELECT account_id, tier = (SELECT tier FROM ({newest}) GROUP BY tier
                                       ORDER BY AVG(health_score) DESC LIMIT 1) FROM ({newest})"""
    )
    return {str(account): bool(green) for account, green in found}


def _top_reason(ledger: Ledger) -> str | None:
    at = ledger.inputs.engine.moment(ledger.year.from_at)
    found = ledger.inputs.rows(
        f"""SELECT e.reason FROM churn_events e WHERE e.reason IS NOT NULL AND e.at >= {at}
            GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT 1"""
    )
    return str(found[0][0]) if found else None


def _losses_for(inputs: Inputs, period: Period, reason: str) -> Figure:
    told = reason.replace("'", "''")
    return _share(
        inputs, period, f"COUNT(CASE WHEN e.reason = '{told}' THEN 1 END), COUNT(*) FROM churn_events e", "e.at"
    )


def _calm(inputs: Inputs, period: Period) -> Figure:
    what = "COUNT(CASE WHEN COALESCE(r.escalations, 0) = 0 THEN 1 END), COUNT(*) FROM known_support r"
    return _share(inputs, period, what, "r.opened_at")


def _share(inputs: Inputs, period: Period, what: str, clock: str) -> Figure:
    at, until = inputs.engine.moment(period.from_at), inputs.engine.moment(period.until_at)
    part, whole = inputs.rows(f"SELECT {what} WHERE {clock} >= {at} AND {clock} < {until}")[0]
    return share(int(str(part)), int(str(whole)), fewest=inputs.house.programme.fewest)


def _used(inputs: Inputs, period: Period) -> Figure:
    until = inputs.engine.moment(period.until_at)
    n, used = inputs.rows(
        f"""SELECT COUNT(*), COUNT(u.account_id) FROM customer_spans s
            LEFT JOIN (SELECT DISTINCT r.account_id FROM known_usage r
                       WHERE r.at < {until} AND r.at >= {until} - INTERVAL {USED_DAYS} DAY) u USING (account_id)
            WHERE s.began_at < {until} AND (s.ended_at IS NULL OR s.ended_at >= {until})"""
    )[0]
    return share(int(str(used)), int(str(n)), fewest=inputs.house.programme.fewest)


def _young(inputs: Inputs, period: Period) -> Figure:
    then = f"s.began_at + INTERVAL {QUARTER} MONTH"
    kept = f"COUNT(CASE WHEN s.ended_at IS NULL OR s.ended_at > {then} THEN 1 END)"
    return _share(inputs, period, f"{kept}, COUNT(*) FROM (SELECT * FROM customer_spans WHERE nth = 1) s", then)
