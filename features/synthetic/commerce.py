"""What an account signs and pays: stints as a customer, the contract terms within them, their invoices."""

from dataclasses import dataclass, replace

import numpy as np

from features.synthetic.world import DAY, NAT, NEVER, Array, Rows, World, in_order, month_start

LIST_PRICE = {"smb": 40.0, "mid": 55.0, "enterprise": 70.0}
PLANS = {"smb": "starter", "mid": "growth", "enterprise": "scale"}


@dataclass(frozen=True)
class Stints:
    """When each account is a customer: [begins, ends), two stints at most; NEVER where there is none."""

    begins: Array
    ends: Array

    def cover(self, account: Array, at: Array) -> Array:
        """Which rows happen while their account is a customer."""
        inside = (self.begins[account] <= at[:, None]) & (at[:, None] < self.ends[account])
        return np.asarray(inside.any(axis=1))

    def ended(self, stint: int, account: Array, at: Array) -> "Stints":
        """The same with one stint of some accounts ending at given moments."""
        ends = self.ends.copy()
        ends[account, stint] = at
        return replace(self, ends=ends)

    def returning(self, account: Array, at: Array) -> "Stints":
        """The same with some accounts coming back for a second stint."""
        begins, ends = self.begins.copy(), self.ends.copy()
        begins[account, 1], ends[account, 1] = at, NEVER
        return Stints(begins, ends)


@dataclass(frozen=True)
class Deals:
    """What each account's contracts say; drawn once, so that a shorter stint has fewer of the same terms."""

    months: Array
    discount: Array
    uplift: Array
    auto_renew: Array
    failing: Array
    """Chance that a payment of the account fails, which drifts from month to month."""
    luck: Array


def stay(world: World) -> Stints:
    """Every account signs once and never leaves."""
    begins = np.stack([world.started_at, np.full(world.accounts, NEVER)], axis=1)
    return Stints(begins, np.full(begins.shape, NEVER))


def deal(world: World) -> Deals:
    """Draw the contracts: monthly for most small accounts, annual for most others."""
    rng, n, calendar = world.rng("deals"), world.accounts, 64
    is_annual = rng.random(n) < np.where(world.segment == "smb", 0.35, 0.75)
    return Deals(
        months=np.where(is_annual, 12, 1),
        discount=np.round(rng.choice([0, 0.05, 0.1, 0.15, 0.2, 0.3], n, p=[0.35, 0.15, 0.2, 0.1, 0.15, 0.05]), 2),
        uplift=rng.choice([0.0, 0.03, 0.05], n),
        auto_renew=rng.random(n) < 0.8,
        failing=np.repeat(rng.beta(0.5, 4, (n, calendar // 4)), 4, axis=1),
        luck=rng.random((n, calendar)),
    )


def terms(world: World, stints: Stints, deals: Deals) -> Rows:
    """Contract terms in time order; `ended_at` is NaT while one runs, `is_lost` if that end is a loss."""
    parts = [_terms(world, stints, deals, stint) for stint in (0, 1)]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return in_order(rows)


def invoices(world: World, deals: Deals, term: Rows) -> Rows:
    """One invoice at the start of each term, a retry three days after a failed payment, few refunds."""
    account, at = term["account"], term["at"] + np.timedelta64(9 * 3600, "s")
    month = np.clip((at.astype("datetime64[M]") - world.start.astype("datetime64[M]")).astype(int), 0, 63)
    luck, failing = deals.luck[account, month], deals.failing[account, month]
    is_failed, is_refund = luck < failing, luck > 0.99
    amount = np.round(term["mrr"] * deals.months[account], 2)
    status = np.where(is_failed, "failed", "paid")
    off = np.round(amount * term["discount"] / (1 - term["discount"]), 2)
    first = {"account": account, "at": at, "amount": amount, "status": status, "discount": off}
    retry = {name: column[is_failed] for name, column in first.items()}
    retry |= {"at": retry["at"] + 3 * DAY, "status": np.full(is_failed.sum(), "paid")}
    refund = {name: column[is_refund] for name, column in first.items()}
    refund |= {"at": refund["at"] + 5 * DAY, "status": np.full(is_refund.sum(), "refunded")}
    rows = {name: np.concatenate([first[name], retry[name], refund[name]]) for name in first}
    is_recorded = rows["at"] >= world.opened
    return in_order({name: column[is_recorded] for name, column in rows.items()})


def _terms(world: World, stints: Stints, deals: Deals, stint: int) -> Rows:
    begins = month_start(np.minimum(stints.begins[:, stint], world.end))
    until = np.minimum(stints.ends[:, stint], world.end)
    length = deals.months
    whole = (until.astype("datetime64[M]") - begins.astype("datetime64[M]")).astype(int) // length + 1
    account = np.repeat(np.arange(world.accounts), whole)
    nth = np.arange(len(account)) - np.repeat(np.cumsum(whole) - whole, whole)
    at, renews = (_months_on(begins[account], (nth + i) * length[account]) for i in (0, 1))
    is_real = (at < until[account]) & (stints.begins[account, stint] < world.end)
    account, nth, at, renews = account[is_real], nth[is_real], at[is_real], renews[is_real]
    ended = np.where(renews < until[account], renews, NAT)
    is_lost = np.isnat(ended) & (stints.ends[account, stint] < world.end)
    discount = np.round(deals.discount[account] * 0.5 ** (nth * length[account] // 12), 3)
    seats = world.users[account] + 1 + nth * length[account] // 12
    price = np.array([LIST_PRICE[s] for s in world.segment])[account]
    yearly = (1 + deals.uplift[account]) ** (nth * length[account] // 12)
    return {
        "account": account,
        "at": at,
        "renews_at": renews,
        "ended_at": np.where(is_lost, stints.ends[account, stint], ended),
        "is_lost": is_lost,
        "seats": seats,
        "mrr": np.round(seats * price * yearly * (1 - discount), 2),
        "discount": discount,
    }


def _months_on(at: Array, months: Array) -> Array:
    """The same day and time some calendar months later; days are at most the 28th."""
    month = at.astype("datetime64[M]")
    later: Array = (month + months).astype("datetime64[s]") + (at - month.astype("datetime64[s]"))
    return later
