"""How well the health score ranked, and what its tiers meant: of one test period, or of several together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.score import Scores
from serving.tiers import Tier
from training import metrics
from training.benchmarks import hand_health
from training.history import History
from training.intervals import Figure, clustered
from training.learn import Learned
from training.model import fit
from training.split import Rows
from training.tier_checks import Warnings, tier_checks, tier_table, warnings_of

DRAWS = 200


@dataclass(frozen=True, eq=False)
class HealthLook:
    """What one model's health said of one test period.

    `risks` are numbers that rise with risk, of each test row: of health ("auc"), of an unrestricted model of the same
    features, of the typical hand weights, and of the whole model with every component.
    """

    risks: dict[str, NDArray[np.float64]]
    tier: NDArray[np.object_]
    warnings: Warnings


def look(history: History, learned: Learned, found: Scores, development: Rows, test: Rows) -> HealthLook:
    """Health, and its rivals on the same features, on the test rows."""
    bundle, rows = learned.bundle, history.values(test)
    columns = np.sort(np.concatenate([bundle.columns(c) for c in bundle.health_components]))
    free = fit(
        history.matrix[development][:, columns],
        history.churned[development],
        tuple(history.catalogue.features[i] for i in columns),
        learned.forward.shape,
        learned.forward.rounds,
        monotone=False,
    )
    risks = {
        "auc": -found.health,
        "auc_unrestricted": np.asarray(free.predict(rows[:, columns])),
        "auc_hand_weights": -np.nan_to_num(hand_health(history.catalogue.names, rows), nan=50.0),
        "auc_all_components": found.probability,
    }
    return HealthLook(risks, found.tier, warnings_of(history, bundle, test))


def health_figures(
    looks: Sequence[HealthLook], tiers: Sequence[Tier], truth: Rows, accounts: NDArray[np.str_]
) -> dict[str, Any]:
    """Figures over the test rows of all looks together, one after the other as in `truth` and `accounts`."""
    tier = np.concatenate([one.tier for one in looks])
    warnings = [one.warnings for one in looks]
    return {
        **{name: _auc(truth, np.concatenate([one.risks[name] for one in looks]), accounts) for name in looks[0].risks},
        "tiers": tier_table(tiers, tier, truth, accounts),
        "checks": tier_checks(tiers, tier, truth, warnings),
        "lead_time": Warnings.lead_time(warnings),
    }


def _auc(truth: Rows, risk: NDArray[np.float64], accounts: NDArray[np.str_]) -> Figure:
    """AUC of any number that rises with risk."""
    ranks = np.searchsorted(np.sort(risk), risk, side="left") / max(len(risk), 1)
    return clustered(metrics.statistic(truth, 0.5 * ranks + 0.25), accounts, draws=DRAWS)["auc"]
