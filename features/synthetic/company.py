"""A simulated B2B SaaS company: the raw tables it would export, and the truth behind them."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.errors import SourceError
from features.synthetic import commerce, fate, reasons
from features.synthetic.commerce import Stints
from features.synthetic.export import exported
from features.synthetic.mess import Broken, break_rows
from features.synthetic.programme import Programme, futures
from features.synthetic.script import write_script
from features.synthetic.truth import Truth, tell
from features.synthetic.world import DAY, Array, World, found, month_start

TYPICAL = {"usage": 0.45, "feedback": 0.20, "support": 0.20, "relationship": 0.15}
RETURNING = 0.06
"""Share of the accounts lost that sign again, 60 to 200 days later."""


@dataclass(frozen=True, kw_only=True)
class Company:
    """Raw tables by source, the truth, and how many rows are broken on purpose, by source and reason.

    The history is [start, end). `test_from` is the snapshot that opens the last six windows; snapshots lie on
    the grid start + 28 k days, on which the truth is told.
    """

    start: datetime
    end: datetime
    test_from: datetime
    tables: dict[str, pa.Table]
    truth: Truth
    broken: Broken


def simulate(
    *,
    accounts: int = 1000,
    months: int = 24,
    seed: int = 0,
    start: datetime = datetime(2023, 1, 1),
    messy: bool = True,
    weights: dict[str, float] | None = None,
    rate: float = 0.025,
    signal: float = 1.0,
    effect: float = -0.8,
    programme: Programme | None = None,
) -> Company:
    """Simulate a company from `start` for whole steps of 28 days; the same arguments give the same bytes.

    At each snapshot t = start + 28 k days the log-odds to churn in (t, t + 28 days] is a sum of terms, one a
    component, each a smooth monotone function of raw rows that were known at t.

    Args:
        accounts: number of accounts ever signed; a third of them before `start`.
        months: length of the history.
        seed: of every random number.
        start: first midnight of the history, UTC.
        messy: append about 0.5 % broken rows.
        weights: share of each health component in the spread of the log-odds; by default drawn around
            45/20/20/15 (Dirichlet), so that every company has weights of its own.
        rate: mean probability to churn within 28 days.
        signal: factor on all terms and on the effect of plays; 0 makes the hazard constant.
        effect: what a play adds to the log-odds of three windows.
        programme: plays that are given more widely and whose effects differ, instead of `effect`; `signal` does not
            change them, and the truth tells both futures of each case.

    Raises:
        SourceError: `weights` does not name the four health components, or the history is too short.
    """
    if months < 6 or (weights is not None and set(weights) != set(TYPICAL)):
        raise SourceError(f"simulate needs months >= 6 (got {months}) and weights of {', '.join(TYPICAL)}")
    world = found(accounts=accounts, months=months, seed=seed, start=start)
    script, stints, effect = write_script(world), commerce.stay(world), signal * effect
    raw, signed = script.risk(stints), world.started_at[:, None] < world.grid
    recipe = fate.scale(raw, signed, _spreads(world, weights, signal), rate)
    log_odds = recipe.log_odds(raw)
    giving = programme or fate.Giving()
    adds = programme.adds(world, recipe.terms(raw)) if programme else np.full(log_odds.shape, effect)
    first = fate.draw(world, log_odds, stints, 0, adds, giving)
    stints = _return_some(world, stints.ended(0, *fate.left_at(world, first.leaves, 0)))
    raw = script.risk(stints)
    second = fate.draw(world, recipe.log_odds(raw), stints, 1, adds, giving)
    stints = stints.ended(1, *fate.left_at(world, second.leaves, 1))
    terms, fates = recipe.terms(raw), (first, second)
    rows = script.lived(stints)
    rows["interventions"] = reasons.interventions(world, terms, first, stints, giving)
    tables = exported(world, script.deals, rows, reasons.losses(world, terms, fates, stints))
    tables, broken = break_rows(tables, world.rng("mess")) if messy else (tables, {})
    return Company(
        start=start,
        end=world.end.astype(datetime),
        test_from=world.grid[-max(1, min(6, len(world.grid) // 3))].astype(datetime),
        tables=tables,
        truth=tell(
            world,
            recipe,
            terms,
            stints,
            fates,
            effect=float("nan") if programme else effect,
            average_effect=fate.average_effect(log_odds, first, adds),
            cases=futures(world, log_odds, adds, rows["interventions"]),
        ),
        broken=broken,
    )


def _spreads(world: World, weights: dict[str, float] | None, signal: float) -> dict[str, float]:
    """Wanted spread of every term, in log-odds."""
    drawn = world.rng("weights").dirichlet(40 * np.array(list(TYPICAL.values())))
    health = weights or dict(zip(TYPICAL, drawn.tolist(), strict=True))
    return {name: signal * fate.STRENGTH * share for name, share in (health | {"commercial": fate.COMMERCIAL}).items()}


def _return_some(world: World, stints: Stints) -> Stints:
    """Some accounts that left come back, at least two windows before the end."""
    rng, shape = world.rng("return"), world.accounts
    at = month_start(stints.ends[:, 0] + rng.integers(62, 200, shape) * DAY)
    back: Array = np.flatnonzero((rng.random(shape) < RETURNING) & (at < world.grid[-2]))
    return stints.returning(back, at[back])
