"""The checks, one after the other; what each means stands in the package's docstring."""

import numpy as np
import pyarrow as pa

from features import table
from features.catalogue import KEYS, Catalogue
from features.engine import Engine
from features.sources import Staged
from training.history import History
from training.intervals import Figure, clustered, difference, wilson
from training.leaks import probes
from training.leaks.freshness import freshness
from training.leaks.leak import Leak, flagged
from training.leaks.limits import (
    AHEAD,
    AHEAD_IN_CHANGES,
    BEYOND_REST,
    DRAWS,
    ENOUGH,
    FATE,
    HINT,
    MUCH,
    NEARLY_ALL,
    NO_LESS,
    SURE,
    TOO_MUCH,
    UNTOLD,
)
from training.leaks.purity import earlier, purity
from training.leaks.ranks import Array
from training.leaks.sample import NOWHERE, Codes, Earlier, Sample, draw, ends, one_row_each
from training.split import Split


def check(history: History, split: Split, *, shifted: Earlier | None = None, seed: int = 0) -> list[Leak]:
    """Every check on the development period: what it flagged, or one line that says it found nothing.

    Args:
        history: the training table.
        split: its periods; the test period is not looked at.
        shifted: gives features of rows (their numbers) as they were some days earlier, as `shifted_rows` does.
        seed: of the sample of accounts and of the intervals.
    """
    sample = draw(history, split, shifted, seed)
    varied = [j for j, column in enumerate(sample.matrix.T) if len(np.unique(column)) > 1]
    static = [j for j in varied if probes.is_static(sample, sample.matrix[:, j])]
    moving = [j for j in varied if j not in static]
    found = {
        "alone": [leak for j in moving if (leak := _alone(sample, j, seed))],
        "purity": [leak for j in moving if (leak := purity(sample, j))],
        "ahead": _ahead(sample, moving, seed),
        "freshness": freshness(sample, moving, seed),
        "static": _static(sample, static, seed),
        "permutation": [leak] if (leak := _permutation(sample, seed)) else [],
    }
    return [leak for name, leaks in found.items() for leak in leaks or [_clear(name, sample)]]


def shifted_rows(engine: Engine, staged: Staged, history: History, days: int) -> Earlier:
    """What gives features of some rows of a history as they were `days` days before each snapshot."""

    def earlier(rows: Codes) -> Array:
        keys = history.labels.table.iloc[rows][list(KEYS)]
        engine.register("drawn", pa.Table.from_pandas(keys, preserve_index=False))
        return shifted_matrix(engine, staged, history.catalogue, "drawn", days)

    return earlier


def shifted_matrix(engine: Engine, staged: Staged, catalogue: Catalogue, spine: str, days: int) -> Array:
    """Features of the spine's rows as they were `days` days before each snapshot: (rows, features).

    Rows are in the order of the feature table, by (snapshot_at, account_id).
    """
    back = f"snapshot_at - INTERVAL {days} DAY"
    engine.create("spine_before", f"SELECT DISTINCT account_id, {back} AS snapshot_at FROM {spine}")
    found = table.build(engine, staged, catalogue, "spine_before").select(catalogue.names)
    return np.column_stack([column.to_numpy() for column in found.columns])


def _clear(name: str, sample: Sample) -> Leak:
    told = {
        "alone": "no feature outdoes all other signals together without being corroborated by them",
        "purity": "no part of a feature's range decides the outcome unexpectedly",
        "ahead": "no feature is closer to the next snapshot than to its own",
        "freshness": "no feature loses what it tells when it is seen earlier",
        "static": "no attribute tells which accounts will ever leave",
        "permutation": "with permuted outcomes nothing is learnt",
    }
    if name == "freshness" and sample.shifted is None:
        told[name] += " by a label window; some days were not measured, as no shifted features were given"
    return Leak(name, None, "clear", {}, told[name])


def _alone(sample: Sample, j: int, seed: int) -> Leak | None:
    rows = sample.judged
    outcome, who = sample.churned[rows], sample.accounts[rows]
    single = probes.auc(probes.alone(sample, sample.matrix[:, j]), outcome)
    if not single(np.ones(len(rows)))["auc"] >= MUCH:
        return None
    columns = probes.rest_of(sample, j)
    rest = sample.matrix[:, columns]
    told = probes.corroborated(sample, sample.matrix[:, j], columns, earlier(sample, j))
    own = clustered(single, who, draws=DRAWS, seed=seed)["auc"]
    if told > UNTOLD and own.low < TOO_MUCH:
        return None
    others = probes.auc(probes.expected(sample, sample.churned, rest)[rows], outcome)
    gap = difference(single, others, who, draws=DRAWS, seed=seed)["auc"]
    if own.low < MUCH - BEYOND_REST or gap.low < BEYOND_REST:
        return None
    return flagged(
        "alone",
        sample.names[j],
        {"auc": own, "beyond_rest": gap, "corroborated": Figure(told, np.nan, np.nan)},
        f"ranks later churners at AUC {own.value:.2f}, {gap.value:.2f} above all other signals together; "
        f"they tell {max(told, 0):.0%} of it among accounts of equal fate",
    )


def _ahead(sample: Sample, moving: list[int], seed: int) -> list[Leak]:
    """Closer to the next snapshot as a whole, or at least in what changes from snapshot to snapshot.

    The one other column that gains most is left out: it may only repeat the feature with a delay. A feature
    must be really close to others to be judged: an early warning is related to what follows, but weakly.
    """
    if (sample.later != NOWHERE).sum() < ENOUGH:
        return []
    whole, changes = (probes.closeness(sample, kept) for kept in (sample.ranks, sample.swings))
    leaks = []
    for j in moving:
        ratios = [
            _next_over_own(sample, j, kept, close, least, seed)
            for kept, close, least in ((sample.ranks, whole, 0.4), (sample.swings, changes, 0.2))
        ]
        if ratios[0].low > AHEAD or (ratios[0].low > NO_LESS and ratios[1].low > AHEAD_IN_CHANGES):
            words = f"is {ratios[0].value:.1f} times as close to the next snapshot's other signals as to its own's"
            figures = {"ratio": ratios[0], "ratio_of_changes": ratios[1]}
            leaks.append(flagged("ahead", sample.names[j], figures, words))
    return leaks


def _next_over_own(sample: Sample, j: int, kept: Array, close: tuple[Array, Array], least: float, seed: int) -> Figure:
    """How much closer a feature is to the next snapshot than to its own; its interval only where that matters."""
    near, far = close[0][j], close[1][j]
    columns = np.flatnonzero(probes.rest_of(sample, j))
    columns = np.delete(columns, (far - near)[columns].argmax()) if len(columns) else columns
    if not len(columns) or far[columns].max() < least**2:
        return Figure(0.0, 0.0, 0.0)
    once = float(far[columns].sum() / max(near[columns].sum(), 1e-9))
    if once <= NO_LESS:
        return Figure(once, np.nan, np.nan)
    now = np.flatnonzero(sample.later != NOWHERE)
    here, there = kept[now][:, columns], kept[sample.later[now]][:, columns]
    return probes.looks_ahead(kept[now, j], here, there, sample.accounts[now], seed)


def _static(sample: Sample, static: list[int], seed: int) -> list[Leak]:
    """Attributes against whether the account ever left, one row per account: its first snapshot.

    The other signals of that snapshot and its date (how long the account was watched) are the benchmark.
    """
    if not static:
        return []
    first, last = ends(sample)
    watched = sample.moments[first].astype("datetime64[D]").astype(np.float64)
    changing = [j for j in range(len(sample.names)) if j not in static]
    here = sample.matrix[first][:, changing]
    then, there = sample.ranks[first][:, changing], sample.ranks[last][:, changing]
    accounts = one_row_each(sample, first)
    expected = probes.expected(accounts, accounts.churned, np.column_stack([here, watched]))
    leaks = []
    for j in static:
        ahead = probes.looks_ahead(sample.ranks[first, j], then, there, accounts.accounts, seed)
        if leak := _tells_fate(accounts, j, expected, ahead, seed):
            leaks.append(leak)
    return leaks


def _tells_fate(accounts: Sample, j: int, expected: Array, ahead: Figure, seed: int) -> Leak | None:
    rows = accounts.judged
    outcome, who = accounts.churned[rows], accounts.accounts[rows]
    single = probes.auc(probes.alone(accounts, accounts.matrix[:, j]), outcome)
    own = clustered(single, who, draws=DRAWS, seed=seed)["auc"]
    gap = difference(single, probes.auc(expected[rows], outcome), who, draws=DRAWS, seed=seed)["auc"]
    figures = {"auc": own, "beyond_rest": gap, "ahead": ahead}
    if gap.low > BEYOND_REST and (own.low > FATE or (own.low > HINT and ahead.low > 1.0)):
        words = (
            f"never changes, yet tells which accounts will ever leave at AUC {own.value:.2f}, {gap.value:.2f} above "
        )
        return flagged("static", accounts.names[j], figures, words + "what was known at their first snapshot")
    for region in probes.regions(accounts.matrix[:, j]):
        words, member = region.words, region.rows
        share = wilson(accounts.churned[member].sum(), member.sum())
        if share.low > NEARLY_ALL and expected[member].mean() < share.low / 2:
            told = f"of {member.sum():,} accounts where it {words}, {share.value:.0%} leave some day"
            return flagged("static", accounts.names[j], {"churned": share, **figures}, told)
    return None


def _permutation(sample: Sample, seed: int) -> Leak | None:
    """Outcomes dealt to other accounts of the same snapshot must leave nothing to learn, in one of three deals.

    One deal in a hundred misses 0.5 by luck; where rows repeat or tell their outcome otherwise, every deal does.
    """
    rows = sample.judged
    for deal in range(seed, seed + 3):
        dealt = sample.churned[_dealt(sample, deal)]
        parts = [probes.forward(sample.matrix, dealt, learn, predict) for learn, predict in sample.looks]
        area = probes.auc(np.concatenate(parts), dealt[rows])
        found = clustered(area, sample.accounts[rows], draws=DRAWS, seed=deal, level=SURE)["auc"]
        if not (found.low > 0.5 or found.high < 0.5):
            return None
    return flagged("permutation", None, {"auc": found}, f"permuted outcomes are ranked at AUC {found}")


def _dealt(sample: Sample, seed: int) -> Codes:
    """For each row a random row of its snapshot, anew at each: the base rate stays, every account's story goes."""
    luck = np.random.default_rng(seed).random(len(sample.moments))
    dealt = np.empty(len(luck), dtype=np.intp)
    dealt[np.argsort(sample.moments, kind="stable")] = np.lexsort((luck, sample.moments))
    return dealt
