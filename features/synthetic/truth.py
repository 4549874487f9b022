"""What is true of a simulated company and in no table it exports."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.synthetic.commerce import Stints
from features.synthetic.export import account_ids
from features.synthetic.fate import Fate, Recipe
from features.synthetic.risk import COMPONENTS, spread
from features.synthetic.world import Array, World, sigmoid

HEALTH = ("usage", "feedback", "support", "relationship")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The law and what came of it.

    `rows` has one row per (account, snapshot) at risk: account_id, snapshot_at, one term a component, `play`
    (what plays add), all in log-odds; probability = sigmoid(intercept + their sum), and whether the account
    churned in (snapshot_at, snapshot_at + 28 days]. `weights` are the health components' shares of the
    spreads (99th - 1st percentile of the term over `rows`). `oracle_auc` is the AUC of `probability`.
    `effect` is what a play adds to the log-odds (NaN where that differs), `average_effect` to the probability within
    84 days. `cases` has one row a play, carried out or held out: see `features.synthetic.programme.futures`.
    """

    rows: pa.Table
    intercept: float
    weights: dict[str, float]
    oracle_auc: float
    effect: float
    average_effect: float
    cases: pa.Table


def tell(
    world: World,
    recipe: Recipe,
    terms: dict[str, Array],
    stints: Stints,
    fates: tuple[Fate, ...],
    *,
    effect: float,
    average_effect: float,
    cases: pa.Table,
) -> Truth:
    """Gather the truth from the law (`recipe`, `terms`) and what was drawn in each stint."""
    parts = [_at_risk(world, recipe, terms, stints, fates, stint) for stint in range(len(fates))]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    account = account_ids(world, rows.pop("account"))
    return Truth(
        rows=pa.table({"account_id": account} | rows),
        intercept=recipe.intercept,
        weights=weights_of(rows),
        oracle_auc=auc(rows["probability"], rows["churned"]),
        effect=effect,
        average_effect=average_effect,
        cases=cases,
    )


def _at_risk(
    world: World, recipe: Recipe, terms: dict[str, Array], stints: Stints, fates: tuple[Fate, ...], stint: int
) -> dict[str, Array]:
    """Columns of `Truth.rows` for one stint, from its first snapshot to the one it ends after."""
    leaves, boost = fates[stint].leaves, fates[stint].boost
    stays = (leaves[:, None] < 0) | (np.arange(len(world.grid)) <= leaves[:, None])
    account, step = np.nonzero((stints.begins[:, stint, None] < world.grid) & stays)
    parts = {name: terms[name][account, step] for name in COMPONENTS} | {"play": boost[account, step]}
    log_odds = recipe.intercept + np.sum(list(parts.values()), axis=0)
    rows = {"account": account, "snapshot_at": world.grid[step], **parts}
    return rows | {"probability": sigmoid(log_odds), "churned": leaves[account] == step}


def weights_of(rows: dict[str, Array]) -> dict[str, float]:
    """Share of each health component in the sum of the spreads; equal shares where nothing varies."""
    wide = {name: spread(rows[name]) for name in HEALTH}
    total = sum(wide.values())
    return {name: value / total if total else 1 / len(HEALTH) for name, value in wide.items()}


def auc(score: Array, happened: Array) -> float:
    """Chance that a row where it happened has a higher score than one where not, ties counting half.

    Mann and Whitney's U over n1 n0; nan where either kind is missing.
    """
    yes, no = np.sort(score[happened]), np.sort(score[~happened])
    if not len(yes) or not len(no):
        return float("nan")
    below, upto = (np.searchsorted(no, yes, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(no))
