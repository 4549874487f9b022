"""The law of churn: smooth functions of what a raw row showed before the snapshot, and of nothing else.

A term is a component's part of the log-odds. It reads only rows with at < t that were known by t, in the
same words as the features: what the model is asked to find can be found.
"""

import numpy as np

from features.synthetic.world import DAY, STEP, STEP_DAYS, Array, Rows, World, days_from

COMPONENTS = ("usage", "feedback", "support", "relationship", "commercial")
MEETINGS = ("meeting", "qbr", "training", "executive")
FADE_DAYS = 182


def terms_of_risk(world: World, rows: dict[str, Rows]) -> dict[str, Array]:
    """Each component's raw term (more is riskier) per account and snapshot of the grid; not yet scaled."""
    law = {
        "usage": _usage,
        "feedback": _feedback,
        "support": _support,
        "relationship": _relationship,
        "commercial": _commercial,
    }
    return {name: np.stack([term(world, rows, t) for t in world.grid], axis=1) for name, term in law.items()}


def spread(values: Array, weights: Array | None = None) -> float:
    """99th minus 1st percentile, over rows that may carry weights."""
    if weights is None:
        low, high = np.percentile(values, [1, 99])
    else:
        low, high = np.percentile(values, [1, 99], weights=weights, method="inverted_cdf")
    return float(high - low)


def _usage(world: World, rows: dict[str, Rows], t: np.datetime64) -> Array:
    """Few active days in the last 28, and a small share of the last 56 days' events in the newer 28."""
    use = _between(rows["usage"], t - 2 * STEP, t)
    known = use["loaded_at"] <= t
    account, age = use["account"][known], days_from(use["at"][known], t).astype(int)
    is_new = age < STEP_DAYS
    days = np.zeros((world.accounts, STEP_DAYS), dtype=bool)
    days[account[is_new], age[is_new]] = True
    newer, both = _count(world, account[is_new]), _count(world, account)
    share: Array = np.divide(newer, both, out=np.full(world.accounts, 0.5), where=both > 0)
    active_days: Array = days.sum(axis=1)
    return -np.tanh((active_days - 9) / 6) - 0.8 * np.tanh((share - 0.5) / 0.15)


def _feedback(world: World, rows: dict[str, Rows], t: np.datetime64) -> Array:
    """A low latest NPS answer, surveys unanswered since the last answer, complaints in the last 84 days."""
    said = _between(rows["feedback"], world.start, t)
    is_nps, is_sent = said["kind"] == "nps", said["kind"] == "survey_sent"
    nps = _last(world, said, is_nps, said["score"], 7.0)
    day = (said["at"] - world.start) // DAY
    answered = _last(world, said, np.isin(said["kind"], ["nps", "csat"]), day.astype(float), -1.0)
    year_ago = (t - world.start) // DAY - 364
    open_surveys = is_sent & (day > answered[said["account"]]) & (day >= year_ago)
    upset = (said["kind"] == "complaint") & (said["at"] >= t - 84 * DAY)
    unanswered, complaints = (
        _count(world, said["account"][open_surveys]),
        _count(world, said["account"][upset]),
    )
    return -0.8 * np.tanh((nps - 7) / 2.5) + np.tanh(unanswered / 2) + 0.6 * np.tanh(complaints)


def _support(world: World, rows: dict[str, Rows], t: np.datetime64) -> Array:
    """Open tickets, tickets opened in the last 28 days, escalations of those opened in the last 84."""
    ticket = _between(rows["support"], world.start, t)
    account, age = ticket["account"], days_from(ticket["at"], t)
    open_now = _count(world, account[~(ticket["resolved_at"] < t)])
    escalated = (age <= 84) & (ticket["escalated_at"] <= t)
    escalations = np.bincount(account[escalated], ticket["escalations"][escalated], world.accounts)
    lately = _count(world, account[age <= STEP_DAYS])
    return np.tanh(open_now / 2) + 0.8 * np.tanh(escalations / 1.5) + 0.6 * np.tanh(lately / 3)


def _relationship(world: World, rows: dict[str, Rows], t: np.datetime64) -> Array:
    """Days since the customer took part in anything, a champion gone, no executive contact in the last year.

    Whether a mail was answered is read 14 days after it, when an answer would have come.
    """
    met = _between(rows["touchpoints"], world.start, t)
    age = np.ceil(days_from(met["at"], t))
    took_part = (met["direction"] == "inbound") | np.isin(met["kind"], MEETINGS) | ((met["answered"] == 1) & (age > 14))
    silent = _last(world, met, took_part, age, 120.0)
    gone = _last(world, met, met["kind"] == "champion_left", age, np.inf)
    executives = _count(world, met["account"][(met["kind"] == "executive") & (age <= 364)])
    return np.tanh((silent - 30) / 25) + 1.2 * np.maximum(1 - gone / FADE_DAYS, 0) - 0.5 * np.tanh(executives / 1.5)


def _commercial(world: World, rows: dict[str, Rows], t: np.datetime64) -> Array:
    """A renewal ahead, failed payments in the last 84 days, a discount, a short tenure."""
    term, paid = _between(rows["terms"], None, t), _between(rows["invoices"], t - 84 * DAY, t)
    every = np.ones(len(term["at"]), dtype=bool)
    ahead = _last(world, term, every, -days_from(term["renews_at"], t), 365.0)
    failed = _count(world, paid["account"][paid["status"] == "failed"])
    discount = _last(world, term, every, term["discount"], 0.0)
    tenure = np.maximum(days_from(world.started_at, t), 0)
    term_risk: Array = np.exp(-ahead / 45) + 2 * discount
    return term_risk + 0.8 * np.tanh(failed) - 0.8 * np.tanh(tenure / 400)


def _between(rows: Rows, after: np.datetime64 | None, before: np.datetime64) -> Rows:
    """Rows of [after, before), which lie in time order."""
    first = 0 if after is None else np.searchsorted(rows["at"], after)
    last = np.searchsorted(rows["at"], before)
    return {name: column[first:last] for name, column in rows.items()}


def _last(world: World, rows: Rows, chosen: Array, values: Array, missing: float) -> Array:
    """The value of each account's newest chosen row."""
    newest = np.full(world.accounts, missing)
    newest[rows["account"][chosen]] = values[chosen]
    return newest


def _count(world: World, account: Array) -> Array:
    return np.bincount(account, minlength=world.accounts)
