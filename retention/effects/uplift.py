"""The effect of a play on a single account, learned where a holdout allows it, and how well it ranks.

An S-learner: one LightGBM model of staying, of what is known about a case and of what it received; the effect is the
difference between its answers for a case that receives a play and one that does not. LightGBM is a trainer's tool, so
only commands import this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from retention.effects.estimate import Cases, Flags
from retention.figures import Figure

Array = NDArray[np.float64]
FOLDS, BAGS, ROUNDS, DRAWS = 5, 3, 300, 400
SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 3,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "num_threads": 1,
    "deterministic": True,
    "verbose": -1,
}
"""Three leaves: what a play does may depend on one thing that is known, which is all that a few thousand cases tell."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Cases to learn from: (n, p) `features`, NaN where unknown; the first `kinds` columns are codes from 0 on."""

    cases: Cases
    features: Array
    kinds: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """Boosters whose mean answers; learned from the arms that were drawn."""

    boosters: tuple[lgb.Booster, ...]
    kinds: int

    def stays(self, features: Array, *, treated: bool) -> Array:
        """Chance to stay, with a play or without: (n,)."""
        rows = _with_received(features, np.full(len(features), treated), self.kinds)
        answers: Array = np.mean([booster.predict(rows) for booster in self.boosters], axis=0)
        return answers

    def effects(self, features: Array) -> Array:
        """What a play adds to the chance to stay: (n,)."""
        return self.stays(features, treated=True) - self.stays(features, treated=False)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well effects that were predicted for accounts not learned from rank the cases.

    `qini` is the coefficient, in saves a treated case; `at` the effect seen among the cases ranked highest, by their
    share; `predicted` the mean of the predictions.
    """

    qini: Figure
    at: dict[float, Figure]
    predicted: float


def not_enough(cases: Cases | None, *, least: int, losses: int) -> str | None:
    """Why effects of single accounts cannot be learned, with the numbers that are needed; None where they can."""
    if cases is None:
        return f"there is no holdout; {least} closed cases in each arm are needed, with {losses} losses in each"
    for name, arm in (("held out", cases.is_held), ("treated", ~cases.is_held)):
        n, lost = int(arm.sum()), int((~cases.is_saved[arm]).sum())
        if n < least or lost < losses:
            return (
                f"{n} closed cases are {name}, {lost} of them lost; {least} with {losses} losses are needed in each arm"
            )
    return None


def learn(sample: Sample) -> Model:
    """Learn who stays, with a play and without."""
    rows = _with_received(sample.features, ~sample.cases.is_held, sample.kinds)
    kinds = list(range(2 * sample.kinds)) if sample.kinds else [0]
    boosters = []
    for seed in range(BAGS):
        data = lgb.Dataset(rows, sample.cases.is_saved.astype(float), categorical_feature=kinds)
        boosters.append(lgb.train(SETTINGS | {"seed": seed}, data, ROUNDS))
    return Model(boosters=tuple(boosters), kinds=sample.kinds)


def out_of_fold(sample: Sample, *, seed: int = 0) -> tuple[Array, Array]:
    """For each case the effect, and the chance to stay without a play, by a model that never saw its account."""
    account = np.unique(sample.cases.account, return_inverse=True)[1]
    fold = np.random.default_rng(seed).permutation(int(account.max()) + 1)[account] % FOLDS
    effect, stays = np.empty(len(account)), np.empty(len(account))
    for k in range(FOLDS):
        rest, own = fold != k, fold == k
        model = learn(Sample(cases=sample.cases.where(rest), features=sample.features[rest], kinds=sample.kinds))
        effect[own] = model.effects(sample.features[own])
        stays[own] = model.stays(sample.features[own], treated=False)
    return effect, stays


def qini_curve(effect: Array, cases: Cases, weight: Array | None = None) -> tuple[Array, Array]:
    """Share of the cases from the highest predicted effect on, and the saves won by treating them: (n,), (n,).

    q(s) = (S_t(s) - S_c(s) N_t(s) / N_c(s)) / N_t, where of the first share s of the cases N_t(s) are treated and
    S_t(s) of them saved, N_c(s) held out and S_c(s) of them saved; N_t counts all treated (Radcliffe 2007). In saves a
    treated case; q(1) is the measured effect. Before the first held-out case the curve is zero.
    """
    w = np.ones(len(effect)) if weight is None else weight
    order = np.argsort(-effect, kind="stable")
    held, saved, w = cases.is_held[order], cases.is_saved[order], w[order]
    n_t, n_c = np.cumsum(w * ~held), np.cumsum(w * held)
    s_t, s_c = np.cumsum(w * (~held & saved)), np.cumsum(w * (held & saved))
    won = np.divide(s_c * n_t, n_c, out=s_t.astype(float), where=n_c > 0)
    return np.cumsum(w) / w.sum(), (s_t - won) / n_t[-1]


def qini(effect: Array, cases: Cases, weight: Array | None = None) -> float:
    """The Qini coefficient: the area between q(s) and the straight line s q(1), over s in [0, 1].

    0 for a ranking that knows nothing; in saves a treated case.
    """
    share, won = qini_curve(effect, cases, weight)
    above = np.concatenate([[0.0], won - share * won[-1]])
    return float(np.trapezoid(above, np.concatenate([[0.0], share])))


def uplift_at(effect: Array, cases: Cases, share: float, weight: Array | None = None) -> float:
    """Save rate of the treated less that of the held-out, among the share of cases predicted to gain most."""
    w = np.ones(len(effect)) if weight is None else weight
    order = np.argsort(-effect, kind="stable")
    first = order[np.cumsum(w[order]) <= share * w.sum() + 1e-9]
    rates = []
    for arm in (~cases.is_held[first], cases.is_held[first]):
        chosen = first[arm]
        rates.append(float(np.average(cases.is_saved[chosen], weights=w[chosen])) if w[chosen].sum() else float("nan"))
    return rates[0] - rates[1]


def quality(effect: Array, cases: Cases, shares: tuple[float, ...] = (0.1, 0.2, 0.3, 1.0)) -> Quality:
    """How well a ranking does, with percentile intervals of a bootstrap over accounts."""
    weights = list(_resampled(cases.account))
    drawn = np.array([qini(effect, cases, w) for w in weights])
    at = {}
    for share in shares:
        found = np.array([uplift_at(effect, cases, share, w) for w in weights])
        at[share] = _figure(uplift_at(effect, cases, share), found, round(share * len(cases)))
    return Quality(qini=_figure(qini(effect, cases), drawn, len(cases)), at=at, predicted=float(effect.mean()))


def _figure(value: float, drawn: Array, n: int) -> Figure:
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(known):
        return Figure(None, n)
    low, high = np.quantile(known, [0.025, 0.975])
    return Figure(value, n, float(low), float(high))


def _resampled(account: NDArray[np.int64], seed: int = 0) -> Iterator[Array]:
    """How often each case counts when accounts are drawn with replacement."""
    _, place = np.unique(account, return_inverse=True)
    n, rng = int(place.max()) + 1, np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield rng.multinomial(n, np.full(n, 1 / n))[place].astype(float)


def _with_received(features: Array, treated: Flags, kinds: int) -> Array:
    """Features after what was received: for each kind its code plus one where treated, 0 where not; else a flag.

    Without these columns a model would have to find out with two splits what a play does for one kind.
    """
    if not kinds:
        return np.column_stack([treated.astype(float), features])
    received = [np.where(treated, np.nan_to_num(features[:, j], nan=-1.0) + 2, 0.0) for j in range(kinds)]
    return np.column_stack([*received, features])
