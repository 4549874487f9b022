"""What comes back: causes that recur, reasons that shift, issues that return. Each is held against chance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, false_discovery_control

from retention.blocks import Block, Chart, Column, rows
from retention.figures import Figure, share
from retention.inputs import Inputs
from retention.reasons.causes import Root, Vocabulary
from retention.reasons.losses import Loss

DRAWS = 9999
FEWEST = 3
Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Recurring:
    """A cause over a period: how many losses, how many of them lately, and how likely chance alone gives so many.

    `evenly` is against losses that fall on all causes alike, `lately` against a steady stream; both are one-sided
    binomial tail probabilities, corrected for the number of causes (Benjamini and Hochberg 1995).
    """

    root: Root
    losses: int
    recent: int
    evenly: float
    lately: float

    def is_systemic(self, chance: float) -> bool:
        """Whether it recurs, or rises, more than chance explains; fewer than three cases are no pattern."""
        return self.losses >= FEWEST and min(self.evenly, self.lately) <= chance


def recurring(counts: Mapping[Root, tuple[int, int]], kinds: int, recent_share: float) -> list[Recurring]:
    """Causes held against chance, the most frequent first.

    Args:
        counts: losses in the period, and those of its recent part, by cause.
        kinds: causes there are.
        recent_share: length of the recent part over that of the period.
    """
    if not counts:
        return []
    whole = sum(n for n, _ in counts.values())
    evenly = [float(binom.sf(n - 1, whole, 1 / kinds)) for n, _ in counts.values()]
    lately = [float(binom.sf(k - 1, n, recent_share)) for n, k in counts.values()]
    corrected = [false_discovery_control(p) for p in (evenly, lately)]
    found = [
        Recurring(root=root, losses=n, recent=k, evenly=float(e), lately=float(late))
        for (root, (n, k)), e, late in zip(counts.items(), *corrected, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.losses, one.root))


def patterns(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> list[Recurring]:
    """The sub-causes of the period's losses, held against chance."""
    house = inputs.house.reasons
    known = [loss for loss in losses if loss.root and loss.root.sub]
    since = inputs.as_of - timedelta(days=house.recent_days)
    whole, recent = (
        Counter(loss.root for loss in some if loss.root) for some in (known, [x for x in known if x.at > since])
    )
    kinds = sum(len(cause.sub) for cause in words.causes.values())
    return recurring(
        {root: (n, recent[root]) for root, n in whole.items()}, kinds, house.recent_days / house.period_days
    )


def systemic(inputs: Inputs, found: Sequence[Recurring], words: Vocabulary) -> Block:
    """Systemic or one-off (systems P2): fix the system where a cause recurs, the case where it does not."""
    house = inputs.house.reasons
    told = [
        (
            words.title(one.root),
            one.losses,
            one.recent,
            one.evenly,
            one.lately,
            "systemic" if one.is_systemic(house.chance) else "one-off as far as known",
        )
        for one in found
    ]
    return Block(
        id="systemic",
        title="Systemic or one-off",
        systems=("P2",),
        says=f"Losses of the last {house.period_days} days by sub-cause. By chance: how likely as many are if losses "
        f"fell on all sub-causes alike, and as many in the last {house.recent_days} days if they came steadily; "
        f"corrected for the number of causes. Systemic: either below {house.chance:g}.",
        columns=(
            Column("cause", "Cause"),
            Column("losses", "Losses", "count"),
            Column("recent", f"Last {house.recent_days} days", "count"),
            Column("evenly", "So many by chance", "number"),
            Column("lately", "So many lately by chance", "number"),
            Column("verdict", "Verdict"),
        ),
        rows=rows(told),
    )


def distance(one: Counts, other: Counts) -> NDArray[np.float64]:
    """Share of the losses that would need another cause to make two distributions alike (total variation).

    Of counts (..., causes) along the last axis.

    >>> float(distance(np.array([3, 1]), np.array([1, 3])))
    0.5
    """
    parts = one / one.sum(-1, keepdims=True) - other / other.sum(-1, keepdims=True)
    found: NDArray[np.float64] = np.abs(parts).sum(-1) / 2
    return found


def drift_p(before: Counts, after: Counts, *, draws: int = DRAWS, seed: int = 0) -> float:
    """How likely a distance this large is, or larger, when both counts come from one distribution.

    A permutation test: given all losses, which of them are the later ones is chance. It holds for small counts too;
    (1 + draws at least as far) / (1 + draws) (Phipson and Smyth 2010).
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(before + after, int(after.sum()), size=draws, method="marginals")
    far = distance(before + after - drawn, drawn) >= distance(before, after) - 1e-12
    return float((1 + far.sum()) / (1 + draws))


def drift(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> tuple[Block, dict[str, Figure]] | None:
    """Whether the reasons of the recent losses differ from those before (systems G5); None for too few."""
    house = inputs.house.reasons
    since = inputs.as_of - timedelta(days=house.recent_days)
    known = [(loss.at > since, loss.root.cause) for loss in losses if loss.root]
    causes = sorted({cause for _, cause in known})
    before, after = (np.array([known.count((late, c)) for c in causes], dtype=np.int64) for late in (False, True))
    if min(before.sum(), after.sum()) < inputs.house.programme.fewest:
        return None
    p = drift_p(before, after)
    told = [
        (words.causes[cause].title, share(int(b), int(before.sum())), share(int(a), int(after.sum())))
        for cause, b, a in zip(causes, before, after, strict=True)
    ]
    moved = distance(before, after)
    block = Block(
        id="drift",
        title="Do the reasons shift?",
        systems=("G5",),
        says=f"Root causes of the last {house.recent_days} days against those of the rest of the last "
        f"{house.period_days}. {100 * moved:.0f} % of the losses would need another cause to look as before; chance "
        f"alone makes it that many with probability {p:.2g} (permutation test).",
        columns=(
            Column("cause", "Cause"),
            Column("before", "Before", "share", has_interval=True),
            Column("recent", "Lately", "share", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("bar", "cause", ("before", "recent")),
        notes=(_review(told, p, house.chance),),
    )
    return block, {"reason_drift": Figure(p, int(before.sum() + after.sum()))}


def _review(told: Sequence[tuple[str, Figure, Figure]], p: float, chance: float) -> str:
    if p > chance:
        return "No review of the plays is due: the reasons are as before, as far as can be told."
    moves = [(title, before.value or 0.0, after.value or 0.0) for title, before, after in told]
    rises = sorted(moves, key=lambda move: move[1] - move[2])[:2]
    grown = " and ".join(f"{title} ({100 * b:.0f} to {100 * a:.0f} %)" for title, b, a in rises if a > b)
    return f"Review due: go over the plays that answer {grown}; the reasons for leaving have shifted."
