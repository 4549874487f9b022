"""How many silent days mean trouble, learned from how long customers were silent before they came back.

Inactivity is a warning shown beside the score; churn is a loss, and the label. A silence begins on a day of use;
it has lasted d days at the midnight d days later (`days_since_last_use` = d). Of all silences that lasted d days,
the return rate is the share whose account came back within the following horizon. The threshold is the shortest
silence from which on that rate stays below one half: where staying away has become the likelier outcome, the point
at which a warning is right more often than wrong. "From which on", because monthly customers seldom return in the
first days of a silence and yet all do at its end.

Silences whose following horizon has not passed yet are left out whether or not they have ended: counting only
those that ended early would make every customer look like one who returns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from features.stretches import LONGEST
from retention.errors import RetentionError

WHOLE_BOOK = ""
MIN_ACCOUNTS = 50
"""Segments with fewer accounts that ever used the product take the whole book's threshold."""
MIN_SILENCES = 20
"""Return rates of fewer silences are not judged."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Threshold:
    """Silent days from which an account of a segment is called inactive, and the evidence for the number.

    `days` is None where the return rate never stays below one half: no silence seen yet is a warning.
    `silences[i]` counts the silences that lasted i + 1 days and whose horizon has passed, `returns[i]` those of
    them that ended within it. `segment` is "" for the whole book.
    """

    segment: str
    days: int | None
    accounts: int = 0
    silences: tuple[int, ...] = ()
    returns: tuple[int, ...] = ()

    def return_rate(self, day: int) -> float:
        """Share of the silences of `day` days that ended within the horizon; NaN where there were none."""
        silent = self.silences[day - 1] if day <= len(self.silences) else 0
        return self.returns[day - 1] / silent if silent else float("nan")


def learn_inactivity(engine: Engine, staged: Staged, settings: Settings, known_by: datetime) -> list[Threshold]:
    """The thresholds that `[churn] inactive_days` asks for, by what was known at a midnight; whole book first.

    A number is everybody's threshold; "learn" learns one for the book and one for each large enough segment;
    without the setting there is none.

    Raises:
        RetentionError: there is no usage to learn from.
    """
    wanted = settings.churn.inactive_days
    if wanted is None:
        return []
    if isinstance(wanted, int):
        return [Threshold(WHOLE_BOOK, wanted)]
    if "usage" not in staged.sources:
        raise RetentionError('[churn] inactive_days = "learn" needs [sources.usage]; map it, or give a number of days')
    return learned(engine, settings.churn.horizon_days, known_by)


def learned(engine: Engine, horizon: int, known_by: datetime) -> list[Threshold]:
    """The thresholds of the book, first, and of each large enough segment, by what was known at a midnight.

    Raises:
        RetentionError: no usage was known then.
    """
    engine.create("silences", _silences(engine, known_by, horizon))
    sizes = engine.rows(
        "SELECT segment, COUNT(DISTINCT account_id) AS accounts FROM silences WHERE segment IS NOT NULL "
        f"GROUP BY segment HAVING accounts >= {MIN_ACCOUNTS} ORDER BY segment"
    )
    book = engine.rows("SELECT COUNT(DISTINCT account_id) FROM silences")
    if not book[0][0]:
        raise RetentionError(f"no usage was known by {known_by:%Y-%m-%d}; there is no silence to learn from")
    groups = [(WHOLE_BOOK, book[0][0]), *((str(segment), accounts) for segment, accounts in sizes)]
    return [_threshold(engine, segment, int(str(n)), horizon) for segment, n in groups]


def by_segment(thresholds: Iterable[Threshold]) -> dict[str, int]:
    """Days per segment, "" the whole book's: what a score needs of the thresholds."""
    return {threshold.segment: threshold.days for threshold in thresholds if threshold.days is not None}


def inactive(engine: Engine, features: pa.Table, days: Mapping[str, int]) -> NDArray[np.bool_]:
    """Whether each row of a feature table is silent for at least its segment's days: a warning, never the label.

    No use within the last 52 weeks is silence. The segment is the one known at the snapshot.
    """
    engine.register("silent", features.select(["account_id", "snapshot_at"]))
    segments = engine.query(
        """SELECT b.account_id, b.snapshot_at, MAX(r.segment) AS segment
           FROM silent b LEFT JOIN accounts r ON r.account_id = b.account_id AND r.known_at <= b.snapshot_at
                AND (r.superseded_at IS NULL OR r.superseded_at > b.snapshot_at)
           GROUP BY b.account_id, b.snapshot_at"""
    ).to_pylist()
    segment_of = {(row["account_id"], row["snapshot_at"]): row["segment"] or WHOLE_BOOK for row in segments}
    never = float("inf")
    limits = [
        days.get(segment_of[key], days.get(WHOLE_BOOK, never))
        for key in zip(features["account_id"].to_pylist(), features["snapshot_at"].to_pylist(), strict=True)
    ]
    silent = [LONGEST + 1 if d is None else d for d in features["days_since_last_use"].to_pylist()]
    return np.array(silent) >= np.array(limits)


def _silences(engine: Engine, until: datetime, horizon: int) -> str:
    """One row per silence: its account's segment, its length in days (null: not over), and `seen`.

    `seen` is the longest silence that can be judged: its following horizon has passed by `known_by`.
    """
    known_by = engine.moment(until)
    known = f"known_at <= {known_by} AND (superseded_at IS NULL OR superseded_at > {known_by})"
    return f"""
        SELECT u.account_id, a.segment, {engine.days_between("u.day", "u.next_day")} AS length,
               {engine.days_between("u.day", known_by)} - {horizon} AS seen
        FROM (SELECT account_id, day, LEAD(day) OVER (PARTITION BY account_id ORDER BY day) AS next_day
              FROM (SELECT DISTINCT r.account_id, CAST(r.at AS DATE) AS day FROM usage r
                    WHERE r.at < {known_by} AND {known})) u
        LEFT JOIN (SELECT account_id, segment FROM accounts WHERE {known}) a ON a.account_id = u.account_id"""


def _threshold(engine: Engine, segment: str, accounts: int, horizon: int) -> Threshold:
    literal = segment.replace("'", "''")
    where = "" if segment == WHOLE_BOOK else f"WHERE segment = '{literal}'"
    found = engine.query(
        f"SELECT COALESCE(length, {LONGEST + horizon + 1}) AS length, seen, COUNT(*) AS n FROM silences {where} "
        "GROUP BY ALL"
    )
    length, seen, n = (found[name].to_numpy() for name in ("length", "seen", "n"))
    lasted = np.minimum(length, seen)
    silences = _running(lasted, n)
    returns = silences - _running(np.minimum(lasted, length - horizon), n)
    return Threshold(
        segment, _from_which_on(silences, returns), accounts, tuple(silences.tolist()), tuple(returns.tolist())
    )


def _running(days: Counts, n: Counts) -> Counts:
    """How many last at least 1, 2, .. LONGEST days."""
    ended = np.bincount(np.clip(days, 0, LONGEST), weights=n, minlength=LONGEST + 1).astype(np.int64)
    return ended[::-1].cumsum()[::-1][1:]


def _from_which_on(silences: Counts, returns: Counts) -> int | None:
    judged = silences >= MIN_SILENCES
    usual = np.flatnonzero(judged & (2 * returns >= silences))
    first = int(usual[-1]) + 2 if len(usual) else 1
    return first if judged[first - 1 :].any() else None
