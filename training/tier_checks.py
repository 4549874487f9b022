"""Did the tiers mean what they say? Realised churn by tier, and the three checks of a useful health score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.bundle import Bundle
from serving.score import score
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


@dataclass(frozen=True)
class Warnings:
    """Of the accounts that churned in a test period: were they below green in time, and since when.

    `below` tells of each with a score at least 60 days before whether it was below green then; `days` how long each
    that was below green when it left had been so without a break; `left` how many have any score before they left.
    """

    below: tuple[bool, ...]
    days: tuple[float, ...]
    left: int

    @staticmethod
    def lead_time(found: Sequence["Warnings"]) -> dict[str, float | int | None]:
        """Share of the churned that were below green when they left, and for how many days (median) they had been."""
        left, days = sum(w.left for w in found), [d for w in found for d in w.days]
        return {
            "accounts": left,
            "warned": len(days) / left if left else None,
            "median_days": float(np.median(days)) if days else None,
        }


def tier_checks(
    tiers: Sequence[Tier], tier: NDArray[np.object_], churned: Rows, warnings: Sequence[Warnings]
) -> list[dict[str, Any]]:
    """The three checks on test rows; `passed` is None where the data cannot tell."""
    best, worst = tiers[0].name, tiers[-1].name
    red = churned[tier == worst].mean() if (tier == worst).any() else float("nan")
    lift = red / churned.mean() if churned.any() else float("nan")
    green = float((tier == best).mean())
    below = [one for w in warnings for one in w.below]
    warned = float(np.mean(below)) if below else float("nan")
    return [
        _check(f"{worst} churns at {RED_LIFT:g} times the base rate or more", lift, lift >= RED_LIFT),
        _check(
            f"two thirds of the churned were below {best} {WARNING_DAYS} days before ({len(below)} accounts)",
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


def warnings_of(history: History, bundle: Bundle, test: Rows) -> Warnings:
    """How the accounts that churned in the test period stood before they left."""
    left = history.labels.table.loc[test & history.churned, ["account_id", "churned_at"]].drop_duplicates("account_id")
    left_at = dict(zip(left["account_id"], left["churned_at"].to_numpy(), strict=True))
    rows = np.flatnonzero(np.isin(history.accounts, list(left_at)))
    rows = rows[[history.moments[row] <= left_at[str(history.accounts[row])] for row in rows]]
    below = score(bundle, history.values(rows)).tier != bundle.tiers[0].name
    limit = np.timedelta64(WARNING_DAYS, "D")
    in_time: dict[str, bool] = {}
    since: dict[str, np.datetime64 | None] = {}
    for row, is_below in zip(rows, below.tolist(), strict=True):  # rows are in the order of time
        account, at = str(history.accounts[row]), history.moments[row]
        if at <= left_at[account] - limit:
            in_time[account] = is_below
        since[account] = (since.get(account) or at) if is_below else None
    days = [float((left_at[a] - at) / np.timedelta64(1, "D")) for a, at in since.items() if at is not None]
    return Warnings(tuple(in_time.values()), tuple(days), len(since))


def _rate(among: Rows, hits: Rows, accounts: NDArray[np.str_]) -> Figure:
    """Share of hits among rows, NaN where there are none; clustered by account."""

    def share(weight: NDArray[np.float64]) -> dict[str, float]:
        whole = float(weight @ among)
        return {"rate": float(weight @ (among & hits)) / whole if whole else float("nan")}

    return clustered(share, accounts, draws=300)["rate"]
