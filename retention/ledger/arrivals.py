"""New customers: do they reach value, and do they come through others (systems L4-L7, L18-L21)."""

from collections import defaultdict
from datetime import timedelta

import numpy as np

from retention.blocks import Block, Column, rows
from retention.figures import UNKNOWN, Figure, median, share
from retention.inputs import Inputs
from retention.journey import reached
from retention.journey.ways import Path
from retention.ledger.periods import Ledger, Period

REFERRED_BY, REFERRAL = "referred_by", "referral"
BOUNCE_DAYS = 30


def activation(inputs: Inputs) -> dict[str, Figure]:
    """activation_rate, time_to_value, onboarding_completion and bounce_rate of those who began in the last year.

    The path of retention.toml says what activation, first value and a finished setup are. Each counts customers who
    have had the time for it: the milestone's own days.
    """
    path, house = _path(inputs), inputs.house
    asked = {"activation_rate": (path.activated,), "onboarding_completion": tuple(path.steps)}
    found: dict[str, Figure] = {}
    for name, steps in asked.items():
        if not steps or any(reached.lacking(inputs, house.milestones[step]) for step in steps):
            continue
        days = max(house.milestones[step].within_days for step in steps)
        began = _began(inputs, days)
        took = [_done(inputs, step) for step in steps]
        done = [all(one.get(account, np.inf) <= days for one in took) for account in began]
        found[name] = share(sum(done), len(began), fewest=house.programme.fewest)
    if not reached.lacking(inputs, house.milestones[path.first_value]):
        value = _done(inputs, path.first_value)
        days_taken = np.array([value[account] for account in _began(inputs, 0) if account in value])
        found["time_to_value"] = median(days_taken) if len(days_taken) >= house.programme.fewest else UNKNOWN
    if inputs.has("usage"):
        found["bounce_rate"] = _bounced(inputs)
    return found


def is_measured(inputs: Inputs) -> bool:
    """Whether the data tell who is activated."""
    return not reached.lacking(inputs, inputs.house.milestones[_path(inputs).activated])


def activated(inputs: Inputs, period: Period) -> Figure:
    """New customers whose days for activation ended within the period, and those of them who were activated in time."""
    step = _path(inputs).activated
    days = timedelta(days=inputs.house.milestones[step].within_days)
    at, until = (inputs.engine.moment(moment - days) for moment in (period.from_at, period.until_at))
    began = inputs.rows(
        f"SELECT account_id FROM customer_spans WHERE nth = 1 AND began_at >= {at} AND began_at < {until}"
    )
    took = _done(inputs, step)
    done = sum(took.get(str(account), np.inf) <= days.days for (account,) in began)
    return share(int(done), len(began), fewest=inputs.house.programme.fewest)


def referrals(ledger: Ledger) -> dict[str, Figure]:
    """referral_rate, viral_coefficient, referred_customers, cost_per_referred of the last year; empty without data."""
    inputs, fewest = ledger.inputs, ledger.inputs.house.programme.fewest
    customers = set(ledger.accounts.account_id.tolist())
    names, invited = REFERRED_BY in inputs.staged.attributes, customers & _invited(ledger)
    if not names:
        return {"referral_rate": share(len(invited), len(customers), fewest=fewest)} if invited else {}
    came = _came(ledger)
    who = [name for name in came if name in customers]
    told = {
        "referral_rate": share(len(invited | set(who)), len(customers), fewest=fewest),
        "referred_customers": Figure(float(len(came)), len(customers)),
        "viral_coefficient": _a_head(who, len(customers)),
    }
    cost = _rewards(ledger)
    if cost is not None and came:
        told["cost_per_referred"] = Figure(cost / len(came), len(came))
    return told


def block(ledger: Ledger) -> Block | None:
    """New customers of each quarter: activated, bounced, and how fast first value came; None without use."""
    inputs = ledger.inputs
    path, milestones = _path(inputs), inputs.house.milestones
    if not inputs.has("usage") or not is_measured(inputs):
        return None
    days, fewest = milestones[path.activated].within_days, inputs.house.programme.fewest
    activated, value, first = _done(inputs, path.activated), _done(inputs, path.first_value), _second_day(inputs)
    quarters: dict[str, list[str]] = defaultdict(list)
    for account, quarter in _began(inputs, max(days, BOUNCE_DAYS), since=ledger.months[0].isoformat()).items():
        quarters[quarter].append(account)
    told = []
    for quarter, ones in sorted(quarters.items()):
        took = np.array([value[one] for one in ones if one in value])
        told.append((
            quarter,
            len(ones),
            share(sum(activated.get(one, np.inf) <= days for one in ones), len(ones), fewest=fewest),
            median(took) if len(took) >= fewest else UNKNOWN,
            share(sum(first.get(one, np.inf) > BOUNCE_DAYS for one in ones), len(ones), fewest=fewest),
        ))  # fmt: skip
    return Block(
        id="arrivals",
        title="New customers: activation, time to value, bounce",
        systems=("L4", "L5", "L7"),
        says=f"Activated: reached '{milestones[path.activated].title.lower()}' within {days} days of beginning. Time "
        f"to value: median days to '{milestones[path.first_value].title.lower()}' of those who reached it. Bounced: "
        f"came on no other day within {BOUNCE_DAYS} days.",
        columns=(
            Column("quarter", "Began in"),
            Column("customers", "New customers", "count"),
            Column("activation_rate", "Activated", "share", has_interval=True),
            Column("time_to_value", "Days to value", "days", has_interval=True),
            Column("bounce_rate", "Bounced", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def _came(ledger: Ledger) -> list[str]:
    """Who brought each new customer of the last year, one entry a customer referred."""
    at, until = ledger.inputs.engine.moment(ledger.year.from_at), ledger.inputs.engine.moment(ledger.year.until_at)
    found = ledger.inputs.rows(
        f"""SELECT a.{REFERRED_BY} FROM known_accounts a
            JOIN customer_spans s ON s.account_id = a.account_id AND s.nth = 1
            WHERE a.{REFERRED_BY} IS NOT NULL AND s.began_at >= {at} AND s.began_at < {until}"""
    )
    return [str(name) for (name,) in found]


def _invited(ledger: Ledger) -> set[str]:
    """Accounts of which a referral was recorded in the last year, whether or not anybody came."""
    at, until = ledger.inputs.engine.moment(ledger.year.from_at), ledger.inputs.engine.moment(ledger.year.until_at)
    found = ledger.inputs.rows(
        f"""SELECT DISTINCT r.account_id FROM known_touchpoints r
            WHERE r.kind = '{REFERRAL}' AND r.at >= {at} AND r.at < {until}"""
    )
    return {str(account) for (account,) in found}


def _path(inputs: Inputs) -> Path:
    return inputs.house.paths[inputs.settings.company.business_model]


def _a_head(who: list[str], n: int) -> Figure:
    """Customers referred a customer, with the normal interval of a mean of counts."""
    if not n:
        return UNKNOWN
    counts = np.zeros(n)
    per_customer = np.unique(np.array(who, dtype=np.str_), return_counts=True)[1] if who else np.empty(0)
    counts[: len(per_customer)] = per_customer
    half = 1.96 * float(counts.std(ddof=1)) / n**0.5 if n > 1 else 0.0
    value = float(counts.mean())
    return Figure(value, n, max(0.0, value - half), value + half)


def _rewards(ledger: Ledger) -> float | None:
    """What rewards of referrals cost in the last year; None where no such play was recorded."""
    plays = ", ".join(f"'{name}'" for name in ledger.inputs.house.triggers.reward_plays)
    at, until = ledger.inputs.engine.moment(ledger.year.from_at), ledger.inputs.engine.moment(ledger.year.until_at)
    found = ledger.inputs.rows(
        f"""SELECT SUM(r.cost_cents) FROM known_interventions r
            WHERE r.play IN ({plays or "NULL"}) AND r.arm = 'treated' AND r.at >= {at} AND r.at < {until}"""
    )[0][0]
    return None if found is None else float(str(found)) / 100


def _began(inputs: Inputs, days: int, since: str | None = None) -> dict[str, str]:
    """Accounts whose first stint began so many days ago or earlier, with the quarter; of the last year, or `since`."""
    start = f"TIMESTAMP '{since} 00:00:00'" if since else f"{inputs.moment} - INTERVAL {364 + days} DAY"
    found = inputs.rows(
        f"""SELECT account_id, YEAR(began_at) || '-Q' || QUARTER(began_at) FROM customer_spans
            WHERE nth = 1 AND began_at >= {start} AND began_at + INTERVAL {days} DAY <= {inputs.moment}
            ORDER BY account_id"""
    )
    return {str(account): str(quarter) for account, quarter in found}


def _done(inputs: Inputs, step: str) -> dict[str, float]:
    """Days from the first stint's beginning until a milestone was reached, of the accounts that reached it."""
    milestone = inputs.house.milestones[step]
    moments = reached.reached(inputs, milestone, "customer_spans", reached.core_events(inputs))
    found = inputs.rows(
        f"""SELECT s.account_id, DATEDIFF('minute', s.began_at, m.reached_at) / 1440.0
            FROM ({moments}) m JOIN customer_spans s ON s.account_id = m.account_id AND s.nth = m.nth WHERE s.nth = 1"""
    )
    return {str(account): float(str(days)) for account, days in found}


def _second_day(inputs: Inputs) -> dict[str, float]:
    """Days from the first stint's beginning to the first use on another day."""
    found = inputs.rows(
        """SELECT s.account_id, MIN(DATEDIFF('day', s.began_at, r.at)) FROM customer_spans s
           JOIN known_usage r ON r.account_id = s.account_id AND CAST(r.at AS DATE) > CAST(s.began_at AS DATE)
           WHERE s.nth = 1 GROUP BY s.account_id"""
    )
    return {str(account): float(str(days)) for account, days in found}


def _bounced(inputs: Inputs) -> Figure:
    began, second = _began(inputs, BOUNCE_DAYS), _second_day(inputs)
    bounced = sum(second.get(account, np.inf) > BOUNCE_DAYS for account in began)
    return share(int(bounced), len(began), fewest=inputs.house.programme.fewest)
