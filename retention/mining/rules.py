"""Thresholds that warn: found on an earlier period, tested on a later one (systems H13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from features.declare import Direction, Feature
from retention.figures import Z95, Figure, median, share
from retention.mining.snapshots import Array, Flags, Snapshots
from retention.sections import Mining

Bound = Literal["at_least", "at_most"]
QUANTILES = np.linspace(0.02, 0.98, 33)
DAYS = np.array([0, 1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90, 120, 180, 365, 730], dtype=np.float64)
LEAST = 10
"""A rule that held before fewer losses than this, in the earlier period, is not looked at."""


BOUNDS: dict[Direction, tuple[Bound, ...]] = {
    Direction.RISKIER: ("at_least",),
    Direction.SAFER: ("at_most",),
    Direction.UNKNOWN: ("at_least", "at_most"),
}


@dataclass(frozen=True)
class Candidate:
    """A number that may warn: a feature, or (`is_relative`) the feature over the account's own usual value."""

    feature: Feature
    is_relative: bool = False


@dataclass(frozen=True)
class Rule:
    """Warns where a number is at least, or at most, a threshold; an unknown number never warns."""

    candidate: Candidate
    bound: Bound
    threshold: float

    def holds(self, values: Array) -> Flags:
        """Whether it warns at each row."""
        found: Flags = values >= self.threshold if self.bound == "at_least" else values <= self.threshold
        return found


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule on the later period.

    `rate` is the share of the rows where it holds whose account was lost in the window, `lift` that over the share of
    all rows, `coverage` the share of the losses it warned of, `lead` the median days from the beginning of its alarm
    to the loss. `p` is one-sided for a lift above 1, `q` corrected for all rules tested (Benjamini and Hochberg 1995).
    `failed` lists the gates that it misses.
    """

    rule: Rule
    share: float
    rate: Figure
    lift: Figure
    coverage: Figure
    lead: Figure
    p: float
    q: float = 1.0
    failed: tuple[str, ...] = ()


def mine(
    snapshots: Snapshots, values: Sequence[tuple[Candidate, Array]], earlier: Flags, later: Flags, gates: Mining
) -> list[Finding]:
    """Rules found on the earlier rows, each tested once on the later ones; the surest first.

    A number and a direction give at most one rule, so the later period sees as many tests as were worth making.
    """
    found = [
        (rule, column)
        for candidate, column in values
        for bound in BOUNDS[candidate.feature.more_is]
        if (rule := best_rule(snapshots, candidate, bound, column, earlier, gates))
    ]
    tested = [on(snapshots, rule, column, later) for rule, column in found]
    if not tested:
        return []
    q = false_discovery_control([one.p for one in tested])
    judged = [_judged(one, float(level), gates) for one, level in zip(tested, q, strict=True)]
    return sorted(judged, key=lambda one: (len(one.failed), one.p, one.rule.candidate.feature.name))


def best_rule(
    snapshots: Snapshots, candidate: Candidate, bound: Bound, column: Array, earlier: Flags, gates: Mining
) -> Rule | None:
    """The threshold whose lift is surest in the earlier period, first of those that pass the gates there.

    Surest: the highest lower bound of the lift, ln(lift) - 1.96 sqrt(1/k - 1/n) for k losses in n rows. None where no
    threshold warns of enough losses with a bound above no lift at all.
    """
    values, churned = column[earlier], snapshots.churned[earlier]
    base = float(churned.mean()) if len(churned) else 0.0
    best: tuple[bool, float, Rule | None] = (False, 0.0, None)
    for threshold in readable(values, candidate, bound):
        rule = Rule(candidate, bound, threshold)
        holds = rule.holds(values)
        n, k = int(holds.sum()), int(churned[holds].sum())
        if k < max(LEAST, gates.least_coverage * churned.sum()) or n == len(values):
            continue
        lift = k / n / base
        sure = log(lift) - Z95 * sqrt(1 / k - 1 / n)
        if sure > 0:
            passes = lift >= gates.least_lift and _leads(snapshots, rule.holds(column), earlier, gates)
            best = max(best, (passes, sure, rule), key=lambda one: one[:2])
    return best[2]


def _leads(snapshots: Snapshots, holds: Flags, within: Flags, gates: Mining) -> bool:
    lead = snapshots.lead_days(holds, within)
    return len(lead) > 0 and float(np.median(lead)) >= gates.least_lead_days


def readable(values: Array, candidate: Candidate, bound: Bound) -> list[float]:
    """Thresholds a person can keep in mind, spread over the values that there are."""
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    edges = np.quantile(known, QUANTILES, method="nearest")
    unit = candidate.feature.unit
    if unit == "yes/no":
        return [1.0 if bound == "at_least" else 0.0]
    if candidate.is_relative or unit == "share":
        return sorted({round(round(x / 0.05) * 0.05, 2) for x in edges.tolist()})
    if unit == "days":
        return sorted({float(DAYS[np.abs(DAYS - x).argmin()]) for x in edges})
    return sorted({_two_digits(x) for x in edges.tolist()})


def _two_digits(x: float) -> float:
    """A number to two digits, whole from 10 on.

    >>> _two_digits(1234.0), _two_digits(0.1234), _two_digits(0)
    (1200.0, 0.12, 0.0)
    """
    return float(f"{x:.2g}")


def on(snapshots: Snapshots, rule: Rule, column: Array, later: Flags) -> Finding:
    """A rule's figures on some rows."""
    holds = rule.holds(column)
    here = holds & later
    losses = snapshots.losses(later)
    lead = snapshots.lead_days(holds, later)
    lift, p = lift_of(here[later], snapshots.churned[later], snapshots.account[later])
    return Finding(
        rule=rule,
        share=float(here[later].mean()) if later.any() else 0.0,
        rate=share(int(snapshots.churned[here].sum()), int(here.sum())),
        lift=lift,
        coverage=share(len(lead), len(losses)),
        lead=median(lead),
        p=p,
    )


def lift_of(holds: Flags, churned: Flags, account: NDArray[np.intp]) -> tuple[Figure, float]:
    """Churn rate where a rule holds over that of all rows, with its interval, and the one-sided p of a lift above 1.

    The interval is that of ln(lift) by linearisation, with the rows of an account as one case (the cluster-robust
    variance): they repeat each other.
    """
    n, k = len(churned), int(churned.sum())
    n_held, k_held = int(holds.sum()), int(churned[holds].sum())
    if not k_held or n_held == n:
        return Figure(0.0 if n_held and k and n_held < n else None, n_held), 1.0
    lift = k_held / n_held / (k / n)
    pull = (holds & churned) / k_held - holds / n_held - churned / k + 1 / n
    error = sqrt(float((np.bincount(account, weights=pull) ** 2).sum()))
    low, high = (exp(log(lift) + sign * Z95 * error) for sign in (-1, 1))
    return Figure(lift, n_held, low, high), float(norm.sf(log(lift) / error)) if error else 1.0


def _judged(one: Finding, q: float, gates: Mining) -> Finding:
    gated = (
        ("may be chance", q <= gates.chance),
        (f"lift below {gates.least_lift:g}", (one.lift.value or 0) >= gates.least_lift),
        (f"lead below {gates.least_lead_days:g} days", (one.lead.value or 0) >= gates.least_lead_days),
        (f"warns of less than {100 * gates.least_coverage:.0f} %", (one.coverage.value or 0) >= gates.least_coverage),
    )
    failed = tuple(text for text, is_kept in gated if not is_kept)
    return Finding(**{**vars(one), "q": q, "failed": failed})


def chosen(
    snapshots: Snapshots, accepted: Sequence[tuple[Finding, Array]], later: Flags, enough: float
) -> list[tuple[Finding, Figure]]:
    """Accepted rules that add to each other, and the share of losses warned of with each and those before it.

    Greedy: the next rule is the one that warns of most losses not warned of yet. It ends where none adds any, or where
    the share is `enough`: every further rule is more alarms to answer.
    """
    losses = snapshots.losses(later)
    caught = [(one, set(snapshots.losses(later & one.rule.holds(column)).tolist())) for one, column in accepted]
    seen: set[int] = set()
    picked: list[tuple[Finding, Figure]] = []
    while caught and len(seen) < enough * len(losses):
        best = max(range(len(caught)), key=lambda i: len(caught[i][1] - seen))
        one, mine = caught.pop(best)
        if not mine - seen:
            break
        seen |= mine
        picked.append((one, share(len(seen), len(losses))))
    return picked
