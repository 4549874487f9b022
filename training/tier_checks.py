"""Did the tiers mean what they say? Realised churn by tier, and the three checks of a useful health score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.bundle import Bundle
from serving.score import Scores, score
from serving.tiers import Tier
from training.history import History
from training.intervals import Figure, clustered
from training.split import Rows

RED_LIFT, WARNED_SHARE, GREEN_SHARE = 3.0, 2 / 3, 0.8
WARNING_DAYS = 60
"""Conventions of customer-success teams: red churns at 3 times the base rate or more, two thirds of those who left
were below green 60 days before, and at most 80 % of the book is green."""


def tier_table(
    tiers: Sequence[Tier], tier: NDArray[np.object_], churned: Rows, accounts: NDArray[np.str_]
) -> dict[str, dict[str, Figure]]:
    """Share of the book and realised churn rate of each tier, with account-clustered intervals."""
    return {
        t.name: {
            "share": _rate(np.ones(len(tier), bool), tier == t.name, accounts),
            "churn_rate": _rate(tier == t.name, churned, accounts),
        }
        for t in tiers
    }


def tier_checks(history: History, bundle: Bundle, found: Scores, test: Rows) -> list[dict[str, Any]]:
    """The three checks on the test period; `passed` is None where the data cannot tell."""
    best, worst = bundle.tiers[0].name, bundle.tiers[-1].name
    churned, accounts = history.churned[test], history.accounts[test]
    red = _rate(found.tier == worst, churned, accounts)
    lift = red.value / churned.mean() if churned.any() else float("nan")
    green = float((found.tier == best).mean())
    warned, n = _warned(history, bundle, test)
    return [
        _check(f"{worst} churns at {RED_LIFT:g} times the base rate or more", lift, lift >= RED_LIFT),
        _check(
            f"two thirds of the churned were below {best} {WARNING_DAYS} days before ({n} accounts)",
            warned,
            warned >= WARNED_SHARE,
        ),
        _check(f"at most {GREEN_SHARE:.0%} of the book is {best}", green, green <= GREEN_SHARE),
    ]


def _check(sentence: str, value: float, passed: bool) -> dict[str, Any]:
    known = bool(np.isfinite(value))
    return {
        "check": sentence,
        "value": float(value) if known else None,
        "passed": bool(passed) if known else None,
    }


def _warned(history: History, bundle: Bundle, test: Rows) -> tuple[float, int]:
    """Share of accounts churned in the test period whose last score at least 60 days before was below green."""
    left = history.labels.table.loc[test & history.churned, ["account_id", "churned_at"]].drop_duplicates("account_id")
    left_at = dict(zip(left["account_id"], left["churned_at"].to_numpy(), strict=True))
    limit = np.timedelta64(WARNING_DAYS, "D")
    last: dict[str, int] = {}
    for row in np.flatnonzero(np.isin(history.accounts, list(left_at))):
        account = str(history.accounts[row])
        if history.moments[row] <= left_at[account] - limit:
            last[account] = int(row)
    if not last:
        return float("nan"), 0
    scored = score(bundle, history.matrix[list(last.values())])
    return float((scored.tier != bundle.tiers[0].name).mean()), len(last)


def lead_time(history: History, bundle: Bundle, test: Rows) -> dict[str, float | int | None]:
    """How long before they left the accounts churned in the test period had been below green without a break.

    `warned` is the share below green at their last snapshot before leaving, `median_days` from the first snapshot of
    that unbroken run to the churn, over those warned.
    """
    left = history.labels.table.loc[test & history.churned].drop_duplicates("account_id")
    left_at = dict(zip(left["account_id"], left["churned_at"].to_numpy(), strict=True))
    rows = np.flatnonzero(np.isin(history.accounts, list(left_at)))
    rows = rows[[history.moments[row] <= left_at[str(history.accounts[row])] for row in rows]]
    below = score(bundle, history.matrix[rows]).tier != bundle.tiers[0].name
    began: dict[str, np.datetime64 | None] = {}
    for row, is_below in zip(rows, below, strict=True):  # rows are in the order of time
        account = str(history.accounts[row])
        began[account] = (began.get(account) or history.moments[row]) if is_below else None
    days = [float((left_at[a] - at) / np.timedelta64(1, "D")) for a, at in began.items() if at is not None]
    return {
        "accounts": len(began),
        "warned": len(days) / len(began) if began else None,
        "median_days": float(np.median(days)) if days else None,
    }


def _rate(among: Rows, hits: Rows, accounts: NDArray[np.str_]) -> Figure:
    """Share of hits among rows, NaN where there are none; clustered by account."""

    def share(weight: NDArray[np.float64]) -> dict[str, float]:
        whole = float(weight @ among)
        return {"rate": float(weight @ (among & hits)) / whole if whole else float("nan")}

    return clustered(share, accounts, draws=300)["rate"]
