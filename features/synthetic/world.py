"""The company before anything happens: its accounts, its calendar, and the moods that make accounts act."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rows = dict[str, Array]
"""Columns of one raw table; `account` is an index into the world's accounts, times are datetime64[s]."""

STEP_DAYS = 28
DAY = np.timedelta64(86_400, "s")
STEP = STEP_DAYS * DAY
NAT = np.datetime64("NaT", "s")
NO_TEXT: Array = np.array(None, dtype=object)
NEVER = np.datetime64("9999-01-01T00:00:00", "s")

SEGMENTS = ("smb", "mid", "enterprise")
SEGMENT_SHARES = (0.6, 0.3, 0.1)
USERS = {"smb": (1, 4), "mid": (3, 8), "enterprise": (6, 16)}
COUNTRIES = ("US", "DE", "GB", "FR", "NL", "JP")
INDUSTRIES = ("software", "retail", "health", "finance", "logistics")
MOODS = ("engagement", "sentiment", "trouble", "rapport")


@dataclass(frozen=True, kw_only=True)
class World:
    """Who the accounts are and how they feel, week by week; nothing here is visible in a raw table's figures.

    `moods` are standardised autoregressive series, one row per account and one column per week from
    `start`. Churn never looks at them: only at the rows they lead to.
    """

    seed: int
    start: np.datetime64
    steps: int
    segment: Array
    owner: Array
    country: Array
    industry: Array
    started_at: Array
    users: Array
    moods: dict[str, Array]

    @property
    def accounts(self) -> int:
        """Number of accounts ever signed."""
        return len(self.started_at)

    @property
    def grid(self) -> Array:
        """Midnights start + 28 k days, k = 1..steps - 1: each opens the label window (t, t + 28 days]."""
        return self.start + STEP * np.arange(1, self.steps)

    @property
    def end(self) -> np.datetime64:
        """The moment the observation ends; the last window closes then."""
        return self.start + STEP * self.steps

    @property
    def opened(self) -> np.datetime64:
        """When the company's systems went live: older accounts were entered an hour after `start`."""
        return self.start + np.timedelta64(3600, "s")

    def rng(self, stream: str) -> np.random.Generator:
        """A stream of random numbers of its own, so that one source never moves another."""
        return np.random.default_rng([self.seed, crc32(stream.encode())])


def found(*, accounts: int, months: int, seed: int, start: datetime) -> World:
    """Draw a company: a third of the accounts signed before `start`, the rest join evenly until the end."""
    rng = np.random.default_rng([seed, crc32(b"world")])
    first, steps = np.datetime64(start, "s"), int(months * 365.25 / 12 // STEP_DAYS)
    segment = rng.choice(SEGMENTS, accounts, p=SEGMENT_SHARES)
    low, high = np.array([USERS[s] for s in segment]).T
    return World(
        seed=seed,
        start=first,
        steps=steps,
        segment=segment,
        owner=np.char.add("csm-", rng.integers(1, 13, accounts).astype(str)),
        country=rng.choice(COUNTRIES, accounts),
        industry=rng.choice(INDUSTRIES, accounts),
        started_at=_signups(rng, accounts, first, steps),
        users=rng.integers(low, high + 1),
        moods=_moods(rng, accounts, steps * 4),
    )


def scatter(world: World, per_week: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Events from weekly numbers per account, in time order: account, week and moment of each.

    `per_week` holds counts, or probabilities of one event. Moments are uniform over the week.
    """
    counts = per_week if per_week.dtype.kind == "i" else rng.random(per_week.shape) < per_week
    account, week = (np.repeat(i, counts.ravel()) for i in np.indices(counts.shape).reshape(2, -1))
    at = world.start + week * (7 * DAY) + rng.integers(1, 7 * 86_400, len(week)) * np.timedelta64(1, "s")
    order = np.argsort(at, kind="stable")
    return account[order], week[order], at[order]


def in_order(rows: Rows) -> Rows:
    """The rows sorted by when they happened."""
    order = np.argsort(rows["at"], kind="stable")
    return {name: column[order] for name, column in rows.items()}


def days_from(at: Array, moment: np.datetime64) -> Array:
    """Days, and parts of days, from each time to one moment."""
    elapsed: Array = moment - at
    days: Array = elapsed.astype("timedelta64[s]").astype(float) / 86_400
    return days


def sigmoid(log_odds: Array) -> Array:
    """Probability of a log-odds."""
    probability: Array = 1 / (1 + np.exp(-log_odds))
    return probability


def month_start(at: Array) -> Array:
    """The same moment with its day moved to at most the 28th, so that every month has it."""
    month = at.astype("datetime64[M]")
    day = (at.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(int)
    moved: Array = (month.astype("datetime64[D]") + np.minimum(day, 27)).astype("datetime64[s]")
    return moved


def _signups(rng: np.random.Generator, accounts: int, start: np.datetime64, steps: int) -> Array:
    before = np.arange(accounts) < accounts // 3
    day = np.where(before, -rng.integers(1, 540, accounts), rng.integers(0, (steps - 2) * STEP_DAYS, accounts))
    return month_start(start + day * DAY)


def _moods(rng: np.random.Generator, accounts: int, weeks: int, memory: float = 0.95) -> dict[str, Array]:
    """Stationary AR(1) series with a lasting part per account; engagement has episodes of decline as well."""
    shocks = rng.standard_normal((len(MOODS), accounts, weeks))
    series = np.empty_like(shocks)
    series[..., 0] = shocks[..., 0]
    for week in range(1, weeks):
        series[..., week] = memory * series[..., week - 1] + np.sqrt(1 - memory**2) * shocks[..., week]
    level = rng.standard_normal((len(MOODS), accounts, 1))
    moods = dict(zip(MOODS, 0.8 * series + 0.6 * level, strict=True))
    moods["engagement"] = moods["engagement"] - _declines(rng, accounts, weeks)
    return moods


def _declines(rng: np.random.Generator, accounts: int, weeks: int, ramp: int = 6, lasts: int = 20) -> Array:
    """About one account in three a year slides by 1.5 within six weeks and recovers after twenty."""
    begins = np.cumsum(rng.random((accounts, weeks)) < 0.006, axis=1)
    padded = np.pad(begins, ((0, 0), (lasts, 0)))
    slide = sum(padded[:, lasts - i : lasts - i + weeks] for i in range(ramp)) / ramp
    depth: Array = 1.5 * np.minimum(slide - padded[:, :weeks], 1)
    return depth
