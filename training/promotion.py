"""Is the challenger better than the champion, on later rows that neither has seen? A rule with reasons."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import EvidenceError
from training.intervals import Figure, Statistic, clustered
from training.metrics import row_log_loss, statistic

LARGE_SHARE, ENOUGH_CHURNERS = 0.10, 10
"""A segment is judged when it holds this share of the rows and this many churned accounts."""

Array = NDArray[np.float64]
Check = tuple[bool, str]
"""Whether a condition holds, and the sentence that says so."""


@dataclass(frozen=True)
class Verdict:
    """Promote the challenger or keep the champion: with the conditions that failed, or that all held.

    `figures` are paired differences, challenger less champion, below zero in the challenger's favour:
    `log_loss`, `log_loss in <segment>`, and the distances of `calibration_slope` from 1 and
    `calibration_intercept` from 0.
    """

    promote: bool
    reasons: list[str]
    figures: dict[str, Figure]


def gate(
    champion_probability: ArrayLike | None,
    challenger_probability: ArrayLike,
    churned: ArrayLike,
    accounts: ArrayLike,
    segments: ArrayLike | None = None,
    *,
    seed: int = 0,
    draws: int = 500,
) -> Verdict:
    """Promote if the challenger is proven better and nothing is proven worse, on the same later rows.

    Better: the 95 % account-clustered interval of the paired difference in log loss lies below zero. Worse:
    the same interval lies above zero for the distance of the calibration slope from 1 or of its intercept
    from 0, or for the log loss of a large segment. Without a champion (None) the base rate of the rows takes
    its place.

    Raises:
        EvidenceError: if rows do not match, or a probability is not in [0, 1].
    """
    label, account = np.asarray(churned, dtype=np.float64), np.asarray(accounts)
    segment = np.full(len(label), "all") if segments is None else np.asarray(segments).astype(str)
    if not len(label) == len(account) == len(segment):
        raise EvidenceError(f"promotion: {len(label)} labels, {len(account)} accounts, {len(segment)} segments")
    rival = "the base rate" if champion_probability is None else "the champion"
    champion = np.full(len(label), label.mean()) if champion_probability is None else champion_probability
    scored = statistic(label, champion), statistic(label, challenger_probability)
    churners = len(np.unique(account[label == 1]))
    if churners < ENOUGH_CHURNERS:
        few = f"Only {churners} accounts churned on these rows; {ENOUGH_CHURNERS} are needed to compare models."
        return Verdict(False, [few], {})
    large = {} if segments is None else _large(segment, label, account)
    change = row_log_loss(label, challenger_probability) - row_log_loss(label, champion)
    figures = clustered(_paired(scored, change, large), account, draws=draws, seed=seed)
    checks = [
        _better(figures["log_loss"], rival, f"{len(label):,} rows of {len(np.unique(account)):,} accounts"),
        *(_no_worse(figures[name], what, rival) for name, what in DISTANCES.items()),
        *(_no_worse(figures[f"log_loss in {name}"], f"log loss in segment {name}", rival) for name in large),
    ]
    promote = all(holds for holds, _ in checks)
    return Verdict(promote, [reason for holds, reason in checks if holds == promote], figures)


DISTANCES = {
    "calibration_slope": "the calibration slope's distance from 1",
    "calibration_intercept": "the calibration intercept's distance from 0",
}


def _large(segment: NDArray[np.str_], label: Array, account: NDArray[np.generic]) -> dict[str, NDArray[np.bool_]]:
    """Rows of each segment that is large enough to be judged."""
    members = {str(name): segment == name for name in np.unique(segment)}
    return {
        name: rows
        for name, rows in members.items()
        if rows.mean() >= LARGE_SHARE and len(np.unique(account[rows & (label == 1)])) >= ENOUGH_CHURNERS
    }


def _paired(scored: tuple[Statistic, Statistic], change: Array, segments: dict[str, NDArray[np.bool_]]) -> Statistic:
    """All differences, challenger less champion, as one statistic: every figure sees the same draws."""
    target = {"calibration_slope": 1.0, "calibration_intercept": 0.0}

    def at(weight: Array) -> dict[str, float]:
        old, new = (one(weight) for one in scored)
        moved = {name: abs(new[name] - right) - abs(old[name] - right) for name, right in target.items()}
        within = {f"log_loss in {name}": _mean(change[rows], weight[rows]) for name, rows in segments.items()}
        return {"log_loss": _mean(change, weight), **moved, **within}

    return at


def _mean(values: Array, weight: Array) -> float:
    total = weight.sum()
    return float(weight @ values / total) if total > 0 else np.nan


def _better(change: Figure, rival: str, rows: str) -> Check:
    """The condition that has to be proven."""
    said = f"(95 % interval {change.low:+.4f} to {change.high:+.4f}) against {rival} on {rows}"
    if change.high < 0:
        return True, f"Log loss changes by {change.value:+.4f} {said}: the challenger is better."
    if change.low > 0:
        return False, f"Log loss changes by {change.value:+.4f} {said}: the challenger is worse."
    return False, f"Log loss changes by {change.value:+.4f} {said}: the difference may be luck."


def _no_worse(change: Figure, what: str, rival: str) -> Check:
    """A condition that holds unless the opposite is proven."""
    if np.isnan(change.value):
        return True, f"For {what} there is nothing to compare: one of the two cannot be computed."
    said = f"by {change.value:+.4f} (95 % interval {change.low:+.4f} to {change.high:+.4f}) against {rival}"
    if change.low > 0:
        return False, f"{what[0].upper()}{what[1:]} grows {said}: the challenger is worse there."
    return True, f"{what[0].upper()}{what[1:]} changes {said}: not proven worse."
