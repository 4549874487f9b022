"""The churn model: LightGBM on pooled snapshots, its rounds and calibration rows found by looking forward.

Within development the model is fitted on what was closed before each of several later slices and predicts that
slice. Those forward predictions choose the number of rounds and the shape, and are the rows on which components
are calibrated; the model itself is then fitted on all of development.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features.declare import Direction, Feature
from training.split import Fold, Rows
from training.stored import Stored

Array = NDArray[np.float64]
Matrix = Array | Stored
FinalFit = Callable[[Matrix, Rows, tuple[Feature, ...], dict[str, float], int], str]
"""Learns the final model from (matrix, churned, features, shape, rounds) and gives its text."""
SEED = 7
MOST_ROUNDS = 800
PATIENCE = 60

SHAPES: tuple[dict[str, float], ...] = (
    {"num_leaves": 4, "min_data_in_leaf": 50, "feature_fraction": 0.3},
    {"num_leaves": 7, "min_data_in_leaf": 100, "feature_fraction": 0.3},
    {"num_leaves": 15, "min_data_in_leaf": 200, "feature_fraction": 0.3},
)
"""Candidate shapes, from stiff to loose; the forward log loss chooses."""

SHARED: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 50.0,
    "max_cat_threshold": 8,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": SEED,
}


@dataclass(frozen=True)
class Forward:
    """Predictions of later slices by models that had not seen them.

    `rows` are indices into the history, `contributions` (len(rows), features + 1) their SHAP values in log-odds
    with the base last, `loss` the mean log loss that chose `shape` and `rounds`.
    """

    rows: NDArray[np.intp]
    contributions: Array
    shape: dict[str, float]
    rounds: int
    loss: float


def side_by_side(matrix: Matrix) -> int:
    """How many fits run at once: one a core, of one thread each, in memory; one, of all cores, on a stored matrix."""
    return 1 if isinstance(matrix, Stored) else os.cpu_count() or 1


def parameters(
    features: tuple[Feature, ...], shape: dict[str, float], *, threads: int = 1, monotone: bool = True
) -> dict[str, object]:
    """LightGBM's parameters, never class-weighted; without `monotone` nothing restricts it.

    Monotone wherever a feature's direction is declared, and no tree reads features of two components. So a
    component's margin depends on its own features alone, and a slope for each component keeps every direction.
    """
    used = {**SHARED, **shape, "num_threads": threads}
    if not monotone:
        return used
    towards = {Direction.SAFER: -1, Direction.RISKIER: 1, Direction.UNKNOWN: 0}
    components = dict.fromkeys(f.component for f in features)
    return {
        **used,
        "monotone_constraints_method": "basic",  # "advanced" lets a direction slip now and then
        "monotone_constraints": [towards[f.more_is] for f in features],
        "interaction_constraints": [[i for i, f in enumerate(features) if f.component == c] for c in components],
    }


def fit(
    matrix: Matrix,
    churned: Rows,
    features: tuple[Feature, ...],
    shape: dict[str, float],
    rounds: int,
    *,
    monotone: bool = True,
) -> lgb.Booster:
    """A booster of `rounds` trees on the given rows; `monotone` keeps to the declared directions."""
    told = parameters(features, shape, threads=_threads(matrix), monotone=monotone)
    return lgb.train(told, dataset(matrix, churned, features), rounds)


def fit_here(matrix: Matrix, churned: Rows, features: tuple[Feature, ...], shape: dict[str, float], rounds: int) -> str:
    """The text of `fit`'s booster: the way to fit the final model in this process."""
    return str(fit(matrix, churned, features, shape, rounds).model_to_string())


def look_forward(
    matrix: Matrix,
    churned: Rows,
    features: tuple[Feature, ...],
    folds: tuple[Fold, ...],
    progress: Callable[[int, int], None],
    shapes: tuple[dict[str, float], ...] = SHAPES,
) -> Forward:
    """Choose shape and rounds by mean log loss over the folds' later slices, and keep their predictions."""
    jobs = [(shape, fold) for shape in shapes for fold in folds]
    with ThreadPoolExecutor(side_by_side(matrix)) as pool:
        fitted = []
        for done, found in enumerate(pool.map(lambda job: _fit_watched(matrix, churned, features, *job), jobs)):
            fitted.append(found)
            progress(done + 1, len(jobs))
    size = np.array([fold.predict.sum() for fold in folds])
    curves = np.array([curve for _, curve in fitted]).reshape(len(shapes), len(folds), MOST_ROUNDS)
    loss = np.einsum("sfr,f->sr", curves, size) / size.sum()
    best, last = np.unravel_index(loss.argmin(), loss.shape)
    rounds, boosters = int(last) + 1, [booster for booster, _ in fitted[best * len(folds) : (best + 1) * len(folds)]]
    parts = [
        np.asarray(b.predict(np.asarray(matrix[f.predict]), pred_contrib=True, num_iteration=rounds))
        for b, f in zip(boosters, folds, strict=True)
    ]
    rows = np.concatenate([np.flatnonzero(fold.predict) for fold in folds])
    return Forward(rows, np.vstack(parts), shapes[best], rounds, float(loss[best, last]))


def look_again(
    matrix: Matrix, churned: Rows, features: tuple[Feature, ...], folds: tuple[Fold, ...], first: Forward, half: Rows
) -> Array:
    """The contributions of `first`, (rows, features + 1), had half of the rows been all there was to learn from.

    Shape and rounds stay; what the shape asks of a leaf, and all penalties, halve with the rows.
    """
    whole = {**SHARED, **first.shape}
    shape = {
        **first.shape,
        "min_data_in_leaf": whole["min_data_in_leaf"] // 2,
        "lambda_l2": whole["lambda_l2"] / 2,
        "cat_smooth": whole["cat_smooth"] / 2,
    }
    parts = []
    for fold in folds:
        rows = fold.learn & half
        booster = fit(matrix[rows], churned[rows], features, shape, first.rounds)
        parts.append(np.asarray(booster.predict(np.asarray(matrix[fold.predict]), pred_contrib=True)))
    return np.vstack(parts)


def _fit_watched(
    matrix: Matrix, churned: Rows, features: tuple[Feature, ...], shape: dict[str, float], fold: Fold
) -> tuple[lgb.Booster, Array]:
    """A booster on the fold's learning rows and its log loss on the later slice after every round."""
    seen: dict[str, dict[str, list[float]]] = {}
    train = dataset(matrix[fold.learn], churned[fold.learn], features)
    later = _Dataset(np.asarray(matrix[fold.predict]), churned[fold.predict].astype(np.float64), reference=train)
    booster = lgb.train(
        parameters(features, shape, threads=_threads(matrix)),
        train,
        MOST_ROUNDS,
        valid_sets=[later],
        valid_names=["later"],
        callbacks=[lgb.record_evaluation(seen), lgb.early_stopping(PATIENCE, verbose=False)],
        keep_training_booster=True,  # else it is cut back to the rounds that suit this very slice best
    )
    booster.model_from_string(booster.model_to_string(num_iteration=-1)).free_dataset()
    curve = np.array(seen["later"]["binary_logloss"])
    return booster, np.concatenate([curve, np.full(MOST_ROUNDS - len(curve), curve[-1])])


def _threads(matrix: Matrix) -> int:
    """Of one fit. LightGBM's own (0: all cores) wait for each other on tables that fit into memory."""
    return 0 if isinstance(matrix, Stored) else 1


def dataset(matrix: Matrix, churned: Rows, features: tuple[Feature, ...]) -> lgb.Dataset:
    """Rows as LightGBM learns from them: one stored is binned a batch at a time."""
    categorical = [i for i, f in enumerate(features) if f.categories]
    return _Dataset(
        matrix,
        churned.astype(np.float64),
        feature_name=[f"f{i}" for i in range(len(features))],
        categorical_feature=categorical,
        free_raw_data=False,
    )


class _Dataset(lgb.Dataset):  # type: ignore[misc]
    """Binning looks at a sample of very many rows, and drops features that no leaf could split on.

    For a stored matrix LightGBM forgets there which seed draws the sample, and how large a leaf is.
    """

    def get_params(self) -> dict[str, Any]:
        told: dict[str, Any] = super().get_params()
        return told | {name: self.params[name] for name in ("min_data_in_leaf", "seed") if name in (self.params or {})}
