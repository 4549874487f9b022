"""The exact choice of plays for one owner's accounts: a small integer programme, solved by HiGHS."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from retention.capacity.choices import Choice
from retention.errors import RetentionError
from retention.sections import Level

SECONDS = 20.0
"""How long one owner's programme may take; what it has found by then comes with the gap to the best bound."""


@dataclass(frozen=True)
class Solved:
    """The plays chosen, what they are worth in all, and how much more the best plan could be worth at most.

    `gap` is that surplus as a share of `value`: 0 is proven to be the best.
    """

    chosen: tuple[Choice, ...]
    value: float
    gap: float


NOTHING = Solved((), 0.0, 0.0)


def limits(choices: Sequence[Choice], hours: float, split: Mapping[Level, float], leeway: float) -> dict[Level, float]:
    """The most hours that each level may take (systems P10).

    A level's share of the hours, plus what levels with too few accounts leave over, shared out by the split, plus the
    leeway. Never less when there are more hours.

    >>> from retention.figures import Figure
    >>> about = {"owner": "o", "cost": 0.0, "probability": 0.1, "stake": 9.0, "effect": Figure(0.1)}
    >>> few = Choice(account_id="a", level="high", play="call", hours=2.0, **about)
    >>> many = [Choice(account_id=str(i), level="medium", play="call", hours=9.0, **about) for i in range(9)]
    >>> limits([few, *many], 10.0, {"high": 0.5, "medium": 0.5}, 0.0)
    {'high': 2.0, 'medium': 8.0}
    """
    wanted: dict[Level, float] = dict.fromkeys(split, 0.0)
    longest: dict[str, Choice] = {}
    for choice in choices:
        if choice.account_id not in longest or choice.hours > longest[choice.account_id].hours:
            longest[choice.account_id] = choice
    for choice in longest.values():
        wanted[choice.level] += choice.hours
    given, left, open_ = dict.fromkeys(split, 0.0), hours, {name for name in split if split[name] > 0}
    while open_:
        whole = sum(split[name] for name in open_)
        full = {name for name in open_ if wanted[name] <= left * split[name] / whole}
        for name in full or open_:
            given[name] = wanted[name] if full else left * split[name] / whole
        left -= sum(given[name] for name in full)
        open_ = open_ - full if full else set()
    return {name: min(given[name] + leeway * hours, hours) for name in split}


def solve(choices: Sequence[Choice], hours: float, split: Mapping[Level, float], leeway: float) -> Solved:
    """The choices of one owner that are worth most together.

    At most one play an account, no more hours than the owner has, no more of them for a level than its limit.

    Raises:
        RetentionError: the solver found no plan at all (time ran out before the first).
    """
    from scipy.optimize import LinearConstraint, milp

    if not choices or hours <= 0:
        return NOTHING
    rows, bounds = _constraints(choices, hours, limits(choices, hours, split, leeway))
    worth = np.array([choice.worth for choice in choices])
    with _unheard():
        found = milp(
            -worth,
            integrality=np.ones(len(choices)),
            bounds=(0, 1),
            constraints=LinearConstraint(rows, -np.inf, bounds),
            options={"mip_rel_gap": 0.0, "time_limit": SECONDS},
        )
    if found.x is None:
        raise RetentionError(f"no plan for {choices[0].owner} within {SECONDS:g} s: {found.message}")
    taken = np.flatnonzero(found.x > 0.5).tolist()
    value = float(worth[taken].sum())
    gap = max(0.0, -float(found.mip_dual_bound) - value) / value if value > 0 else 0.0
    return Solved(tuple(choices[i] for i in taken), value, gap if gap > 1e-6 else 0.0)


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep standard output to ourselves: HiGHS writes there now and then, whatever its options say."""
    sys.stdout.flush()
    ours, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)
        os.close(nowhere)


def _constraints(choices: Sequence[Choice], hours: float, most: Mapping[Level, float]) -> tuple[object, list[float]]:
    """One row for the hours, one a level, one an account."""
    from scipy.sparse import coo_array

    accounts = {account: i for i, account in enumerate(dict.fromkeys(choice.account_id for choice in choices))}
    levels = {level: 1 + i for i, level in enumerate(most)}
    spent, among = np.array([choice.hours for choice in choices]), np.arange(len(choices))
    at_level = np.array([levels[choice.level] for choice in choices])
    of_account = np.array([1 + len(levels) + accounts[choice.account_id] for choice in choices])
    row = np.concatenate([np.zeros(len(choices), dtype=int), at_level, of_account])
    data = np.concatenate([spent, spent, np.ones(len(choices))])
    rows = coo_array((data, (row, np.tile(among, 3))), shape=(1 + len(levels) + len(accounts), len(choices)))
    return rows.tocsr(), [hours, *most.values(), *([1.0] * len(accounts))]
