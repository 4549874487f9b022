"""Who leaves, when and why: the hazard scaled to the wanted weights, the plays against it, the draws."""

from dataclasses import dataclass

import numpy as np

from features.synthetic.commerce import Stints
from features.synthetic.risk import spread
from features.synthetic.world import DAY, STEP_DAYS, Array, World, sigmoid

STRENGTH = 9.0
"""Sum of the health components' spreads, in log-odds."""
COMMERCIAL = 0.25
"""Spread of the commercial term over STRENGTH."""
EFFECT_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Giving:
    """Who gets a play at a snapshot, in a first stint.

    Of the accounts whose log-odds lie in the book's share from `from_rank` upwards, and who had no play for `between`
    windows, a `share` drawn by lot. Accounts that no play ever reaches, a share of `held_out`, are drawn once each.
    """

    share: float = 0.5
    from_rank: float = 0.9
    between: int = 6
    held_out: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How raw terms become log-odds: intercept + sum of factor (raw - centre) over the components."""

    intercept: float
    lines: dict[str, tuple[float, float]]

    def terms(self, raw: dict[str, Array]) -> dict[str, Array]:
        """Each component's part of the log-odds; zero on average over the expected population at risk."""
        return {name: factor * (raw[name] - centre) for name, (centre, factor) in self.lines.items()}

    def log_odds(self, raw: dict[str, Array]) -> Array:
        """Of churn in (t, t + 28 days] without any play, per account and snapshot."""
        total: Array = self.intercept + np.sum(list(self.terms(raw).values()), axis=0)
        return total


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What was drawn for one stint: the step an account leaves in (-1: stays) and the plays on the way.

    Per account and snapshot, `begun` tells that a play begins (or is held out) just after it, and `boost`
    is what plays of earlier snapshots add to the log-odds.
    """

    leaves: Array
    boost: Array
    begun: Array


def scale(raw: dict[str, Array], signed: Array, spreads: dict[str, float], rate: float) -> Recipe:
    """The recipe whose terms have the wanted spreads and whose mean probability is `rate`.

    Both are meant over the population at risk, which depends on the hazard in turn: each pass weighs account
    and snapshot by the chance to be still there.
    """
    alive, recipe = signed.astype(float), Recipe(intercept=0, lines={})
    for _ in range(6):
        at_risk = alive[signed]
        lines = {}
        for name, wanted in spreads.items():
            values = raw[name][signed]
            wide = max(spread(values, at_risk), 1e-9)
            lines[name] = (float(np.average(values, weights=at_risk)), wanted / wide)
        total = Recipe(intercept=0, lines=lines).log_odds(raw)
        recipe = Recipe(intercept=_intercept(total[signed], at_risk, rate), lines=lines)
        stays = np.where(signed, 1 - sigmoid(recipe.log_odds(raw)), 1.0)
        alive = signed * np.cumprod(np.pad(stays, ((0, 0), (1, 0)), constant_values=1), axis=1)[:, :-1]
    return recipe


def draw(world: World, log_odds: Array, stints: Stints, stint: int, effect: Array, giving: Giving) -> Fate:
    """Let time pass: at each snapshot some plays are begun and some accounts leave.

    A play adds `effect` (per account and snapshot it begins at) to the log-odds of the next three windows, unless the
    account is held out.
    """
    rng, shape = world.rng(f"fate {stint}"), log_odds.shape
    luck, chosen = rng.random(shape), rng.random(shape) < giving.share
    treated = ~held_out(world, giving)
    boost, begun, leaves = np.zeros(shape), np.zeros(shape, dtype=bool), np.full(world.accounts, -1)
    last_play = np.full(world.accounts, -giving.between)
    for k in np.flatnonzero((stints.begins[:, stint, None] < world.grid).any(axis=0)):
        here = (stints.begins[:, stint] < world.grid[k]) & (leaves < 0)
        high = np.quantile(log_odds[here, k], giving.from_rank) if here.any() else 0.0
        if stint == 0:
            begun[:, k] = here & (log_odds[:, k] >= high) & (k - last_play >= giving.between) & chosen[:, k]
        last_play[begun[:, k]] = k
        works = begun[:, k] & treated
        boost[works, k + 1 : k + 1 + EFFECT_STEPS] = effect[works, k, None]
        leaves[here & (luck[:, k] < sigmoid(log_odds[:, k] + boost[:, k]))] = k
    return Fate(leaves=leaves, boost=boost, begun=begun)


def held_out(world: World, giving: Giving) -> Array:
    """Accounts that no play ever reaches, drawn once per account."""
    drawn: Array = world.rng("holdout").random(world.accounts) < giving.held_out
    return drawn


def left_at(world: World, leaves: Array, stint: int) -> tuple[Array, Array]:
    """Accounts that leave, and the midnight: one of the 27 days strictly inside the window they leave in."""
    day = world.rng(f"day {stint}").integers(1, STEP_DAYS, world.accounts)
    gone = np.nonzero(leaves >= 0)[0]
    return gone, world.grid[leaves[gone]] + day[gone] * DAY


def average_effect(log_odds: Array, fate: Fate, effect: Array) -> float:
    """Mean change a play makes to the probability to churn within the three windows it works in.

    Over the plays whose account is still there when the first of them opens and whose windows all close;
    each account's two futures are known exactly: p = 1 - prod(1 - hazard).
    """
    account, step = np.nonzero(fate.begun)
    counts = (step + EFFECT_STEPS < log_odds.shape[1]) & (fate.leaves[account] != step)
    windows = step[counts, None] + 1 + np.arange(EFFECT_STEPS)
    base = log_odds[account[counts, None], windows]
    added = effect[account[counts], step[counts], None]
    without, with_play = (1 - np.prod(1 - sigmoid(base + change), axis=1) for change in (0.0, added))
    return float(np.mean(with_play - without)) if counts.any() else 0.0


def _intercept(total: Array, weights: Array, rate: float) -> float:
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        too_many = np.average(sigmoid(middle + total), weights=weights) > rate
        low, high = (low, middle) if too_many else (middle, high)
    return low
