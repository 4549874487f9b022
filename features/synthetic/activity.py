"""What the people of an account do: usage of the product, one row per user, day and kind of event."""

import numpy as np

from features.synthetic.world import DAY, STEP_DAYS, Array, Rows, World, in_order, sigmoid

EVENTS = {
    "login": 1.0,
    "dashboard_viewed": 0.5,
    "search": 0.35,
    "report_created": 0.3,
    "api_call": 0.2,
    "integration_synced": 0.15,
    "export": 0.12,
    "invite_sent": 0.03,
}
"""Probability of each kind of event on a day somebody is active."""
LATE_SHARE = 0.02


def usage(world: World) -> Rows:
    """Usage as if nobody ever left, in time order, with the moment each row was loaded.

    One row in fifty is loaded 1 to 12 days late; the rest within ten minutes.
    """
    rng = world.rng("usage")
    user, account, day = _visits(world, rng)
    shares = np.array(list(EVENTS.values()))
    visit, event = np.nonzero(rng.random((len(user), len(shares))) < shares)
    second = rng.integers(8 * 3600, 18 * 3600, len(user))[visit] + rng.integers(0, 3600, len(visit))
    at = world.start + day[visit] * DAY + second * np.timedelta64(1, "s")
    late = rng.random(len(visit)) < LATE_SHARE
    delay = np.where(late, rng.integers(86_400, 12 * 86_400, len(visit)), rng.integers(0, 600, len(visit)))
    rows = {
        "account": account[visit],
        "at": at,
        "user": user[visit],
        "session": visit,
        "event": event,
        "quantity": 1 + rng.poisson(1.5, len(visit)),
        "loaded_at": at + delay * np.timedelta64(1, "s"),
    }
    return in_order(rows)


def _visits(world: World, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Every user's days of use: user (index over the company), account, day since the start."""
    day = np.arange(world.steps * STEP_DAYS)
    weekend = np.where(np.is_busday((world.start + day * DAY).astype("datetime64[D]")), 0.0, -1.8)
    is_busy = rng.random((world.accounts, len(day))) < sigmoid(
        0.1 + 1.1 * np.repeat(world.moods["engagement"], 7, axis=1) + weekend
    )
    owner = np.repeat(np.arange(world.accounts), world.users)
    first = np.concatenate([[0], np.cumsum(world.users)[:-1]])
    keenness = rng.beta(2, 3, len(owner))
    keenness[first] = 0.95
    user, on = np.nonzero(is_busy[owner] & (rng.random((len(owner), len(day))) < keenness[:, None]))
    return user, owner[user], on
