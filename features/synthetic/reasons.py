"""What the company wrote down about each loss and each play."""

import numpy as np

from features.synthetic.commerce import Stints
from features.synthetic.fate import Fate, Giving, held_out
from features.synthetic.risk import COMPONENTS
from features.synthetic.world import DAY, NO_TEXT, Array, Rows, World, in_order

REASONS = {
    "usage": ("low adoption", "no value seen"),
    "feedback": ("missing features", "chose a competitor"),
    "support": ("poor support", "too many bugs"),
    "relationship": ("champion left", "lack of attention"),
    "commercial": ("price", "budget cut"),
}
INVOLUNTARY = ("payment failure", "acquired", "out of business")
INVOLUNTARY_SHARE = 0.08
PLAYS = {
    "usage": ("adoption campaign", 180.0),
    "feedback": ("detractor follow-up", 90.0),
    "support": ("executive sponsor", 400.0),
    "relationship": ("new champion", 250.0),
    "commercial": ("renewal offer", 320.0),
}


def losses(world: World, terms: dict[str, Array], fates: tuple[Fate, ...], stints: Stints) -> Rows:
    """One row per stint that ended: when notice was given, when it ended, and why.

    The reason is the component that added most to the risk; a fixed share is involuntary whatever the risk.
    """
    parts = [_losses(world, terms, fate, stints.ends[:, stint], stint) for stint, fate in enumerate(fates)]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return in_order(rows)


def _losses(world: World, terms: dict[str, Array], fate: Fate, ends: Array, stint: int) -> Rows:
    rng, account = world.rng(f"losses {stint}"), np.flatnonzero(fate.leaves >= 0)
    step, n, at = fate.leaves[account], len(account), ends[account]
    room = (at - world.grid[step]).astype(int) - 2 * 3600
    notice = at - np.timedelta64(3600, "s") - (rng.random(n) * room).astype("timedelta64[s]")
    told = np.array(list(REASONS.values()))[_driver(terms, account, step), rng.integers(0, 2, n)]
    is_involuntary = rng.random(n) < INVOLUNTARY_SHARE
    reason = np.where(is_involuntary, rng.choice(INVOLUNTARY, n, p=[0.6, 0.25, 0.15]), told)
    return {
        "account": account,
        "at": at,
        "cancelled_at": notice,
        "reason": reason,
        "intent": np.where(is_involuntary, "involuntary", "voluntary"),
        "preventable": ~np.isin(reason, ("budget cut", "acquired", "out of business")),
        "is_told": rng.random(n) < 0.85,
    }


def interventions(world: World, terms: dict[str, Array], fate: Fate, stints: Stints, giving: Giving) -> Rows:
    """One row per play begun, carried out or held out, in the three days after its snapshot."""
    rng = world.rng("interventions")
    account, step = np.nonzero(fate.begun)
    driver, n = _driver(terms, account, step), len(account)
    is_held = held_out(world, giving)[account]
    names, costs = (np.array(column) for column in zip(*PLAYS.values(), strict=True))
    outcome = rng.choice(["completed", "declined", "no answer"], n, p=[0.6, 0.15, 0.25])
    rows: Rows = {
        "account": account,
        "at": world.grid[step] + rng.integers(0, 3, n) * DAY + np.timedelta64(10 * 3600, "s"),
        "play": names[driver],
        "owner": world.owner[account],
        "cost": np.where(is_held, 0.0, costs[driver]),
        "arm": np.where(is_held, "holdout", "treated"),
        "outcome": np.where(is_held, NO_TEXT, outcome),
        "driver": np.array(COMPONENTS)[driver],
    }
    here = stints.cover(account, rows["at"])
    return in_order({name: column[here] for name, column in rows.items()})


def _driver(terms: dict[str, Array], account: Array, step: Array) -> Array:
    """Position in COMPONENTS of the term that adds most at a snapshot."""
    found: Array = np.argmax([terms[name][account, step] for name in COMPONENTS], axis=0)
    return found
