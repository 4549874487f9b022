"""Freshness: what a feature tells is gone when the feature is seen earlier, and others keep theirs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.intervals import Statistic, clustered
from training.leaks import probes
from training.leaks.leak import Leak, flagged
from training.leaks.limits import CLIFF, DRAWS, HALF_SEEN, HARDLY, MUCH, TELLING, WELL_TOLD
from training.leaks.ranks import Array
from training.leaks.sample import NOWHERE, Codes, Sample


@dataclass(frozen=True)
class Lag:
    """An earlier look at the same features: how much earlier, on which rows, and from which AUC on it is judged.

    `least` and `surely` bound the AUC of a feature to judge and its interval's lower end. `usual` is what a
    feature keeps of it, None: what the others keep.
    """

    words: str
    matrix: Array
    rows: Codes
    least: float
    surely: float
    usual: float | None


def freshness(sample: Sample, moving: list[int], seed: int) -> list[Leak]:
    """Features that fall off a cliff when seen some days or a whole label window earlier; each is told once."""
    found: dict[int, Leak] = {}
    for lag in _lags(sample):
        found = _fallen(sample, [j for j in moving if j not in found], lag, seed) | found
    return list(found.values())


def _lags(sample: Sample) -> Iterator[Lag]:
    """Some days, where that was measured; and a label window, at the account's own earlier snapshot.

    A warning that honestly comes at a time of its own within one window before leaving is there at half of the
    snapshots: alone it reaches an AUC of 0.75. One that is there at nearly all of them and was at none a window
    before knew where the snapshot would be.
    """
    if sample.shifted is not None:
        yield Lag("some days", sample.shifted, sample.judged, TELLING, HARDLY, None)
    known = sample.judged[sample.earlier[sample.judged] != NOWHERE]
    if len(known):
        before = np.where((sample.earlier == NOWHERE)[:, None], np.nan, sample.matrix[sample.earlier])
        yield Lag("a label window", before, known, MUCH, HALF_SEEN, 0.5)


def _fallen(sample: Sample, moving: list[int], lag: Lag, seed: int) -> dict[int, Leak]:
    """What each telling feature keeps of AUC - 0.5, against the usual: by default the median of other signals."""
    measures = {j: _kept(sample, j, lag) for j in moving}
    once = {j: measure(np.ones(len(lag.rows))) for j, measure in measures.items()}
    kept = {j: figures["kept"] for j, figures in once.items() if figures["auc"] > TELLING}
    leaks = {}
    for j, share in kept.items():
        others = [other for i, other in kept.items() if sample.signals[i] != sample.signals[j]]
        usual = lag.usual or (float(np.median(others)) if len(others) >= 3 else 1.0)
        if share >= CLIFF * usual or once[j]["auc"] < lag.least:
            continue
        figures = clustered(measures[j], sample.accounts[lag.rows], draws=DRAWS, seed=seed)
        if figures["auc"].low <= lag.surely or figures["kept"].high >= CLIFF * usual:
            continue
        if probes.corroborated(sample, sample.matrix[:, j], probes.rest_of(sample, j), past=False) <= WELL_TOLD:
            words = f"keeps {share:.0%} of what it tells when seen {lag.words} earlier; {usual:.0%} are usual"
            leaks[j] = flagged("freshness", sample.names[j], figures, words)
    return leaks


def _kept(sample: Sample, j: int, lag: Lag) -> Statistic:
    """AUC of a column alone, and the share of (AUC - 0.5) that its earlier reading has."""
    outcome, is_kept = sample.churned[lag.rows], np.isin(sample.judged, lag.rows)
    columns = (sample.matrix[:, j], lag.matrix[:, j])
    today, before = (probes.auc(probes.alone(sample, column)[is_kept], outcome) for column in columns)

    def measured(weight: Array) -> dict[str, float]:
        area = today(weight)["auc"]
        return {"auc": area, "kept": (before(weight)["auc"] - 0.5) / max(area - 0.5, 0.01)}

    return measured
