"""Score the book as of one day: from staged sources to the scored table."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features import snapshots, table
from features.catalogue import KEYS, Catalogue, Vocabulary, declare
from features.config import Settings
from features.contracts import SOURCES
from features.engine import Engine
from features.sources import Staged
from retention.value import value_at_risk, yearly_value
from serving.book import ScoredDay, book_of, matrix
from serving.bundle import Bundle
from serving.errors import ServingError
from serving.score import Scores, score
from serving.stages import Stage, silent

Array = NDArray[np.float64]
BASELINE_DAYS = (28, 56, 84)
"""An account's own baseline is the median of its values this long ago."""

DATES = 1 + len(BASELINE_DAYS)
"""For how many dates the features of a book are computed."""

BLOCK = 10_000
"""Rows whose medians are taken at once: bounds the memory."""

COMPONENT_SOURCES = {
    "usage": ("usage",),
    "feedback": ("feedback",),
    "support": ("support",),
    "relationship": ("touchpoints",),
    "commercial": ("subscriptions", "invoices"),
}


def score_day(
    settings: Settings,
    engine: Engine,
    staged: Staged,
    bundle: Bundle,
    day: datetime,
    *,
    version: str | None,
    tell: Stage = silent,
) -> ScoredDay:
    """Score everybody in the population on one day, most value at risk first.

    Raises:
        ServingError: nobody is to be scored on that day.
    """
    tell("features", 0, DATES)
    if snapshots.spine_at(settings, engine, staged, day) == 0:
        raise ServingError(f"no account is in the population on {day:%Y-%m-%d}; choose a day within the data")
    engine.create("book_spine", "SELECT account_id, snapshot_at FROM spine")
    catalogue = declare(staged, Vocabulary.from_dict(bundle.vocabulary))
    features, explained = _features(engine, staged, catalogue, bundle)
    profile = _profile(engine, bundle, features)
    keys, rows = features.select(KEYS), matrix(bundle, features)
    del features
    usual = _baseline(engine, staged, catalogue, bundle, keys, tell)
    tell("drivers", 0, len(keys))
    found = score(bundle, rows, explained)
    del explained
    tell("reasons", 0, len(keys))
    order = _riskiest_first(bundle, keys, rows, found)
    keys, profile, found = keys.take(order), profile.take(order), found.take(order)
    rows, usual = rows[order], usual[order]
    book = book_of(
        bundle,
        keys,
        rows,
        found,
        baseline=usual,
        profile=profile,
        data_as_of=_data_as_of(engine, staged, day),
        model_version=version,
        scored_at=datetime.now(UTC).replace(tzinfo=None),
    )
    return ScoredDay(book, _named(bundle, keys["account_id"], rows), _named(bundle, keys["account_id"], usual))


def _features(engine: Engine, staged: Staged, catalogue: Catalogue, bundle: Bundle) -> tuple[pa.Table, Array | None]:
    """The feature table of the book, and its SHAP values where it was computed on several machines."""
    if engine.name == "duckdb" or bundle.booster is None:
        return table.build(engine, staged, catalogue, "book_spine"), None
    from serving import spread  # which only a cluster needs

    return spread.explained(engine, staged, catalogue, bundle, "book_spine")


def _riskiest_first(bundle: Bundle, keys: pa.Table, rows: Array, found: Scores) -> NDArray[np.uint64]:
    value = yearly_value([spec.name for spec in bundle.features], rows)
    by = {"risk": value_at_risk(found.probability, value), "health": found.health}
    known = {name: pa.array(column, from_pandas=True) for name, column in by.items()}
    sorted_by = [("risk", "descending"), ("health", "ascending"), ("account_id", "ascending")]
    order: NDArray[np.uint64] = pc.sort_indices(
        pa.table({**known, "account_id": keys["account_id"]}), sorted_by
    ).to_numpy()
    return order


def _named(bundle: Bundle, accounts: pa.ChunkedArray, values: Array) -> pa.Table:
    """Values by account and feature, unknown ones null."""
    columns = {spec.name: pa.array(values[:, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
    return pa.table({"account_id": accounts, **columns})


def _baseline(
    engine: Engine, staged: Staged, catalogue: Catalogue, bundle: Bundle, keys: pa.Table, tell: Stage
) -> Array:
    """Median of each feature 28, 56 and 84 days ago, over the dates at which the account was there."""
    held = " UNION ALL ".join(
        f"SELECT account_id, snapshot_at - INTERVAL {days} DAY AS snapshot_at FROM book_spine" for days in BASELINE_DAYS
    )
    engine.create("baseline_spine", held)
    n, at = len(keys), 0
    values = np.empty((len(BASELINE_DAYS) * n, len(bundle.features)))
    accounts = np.tile(keys["account_id"].to_numpy(), len(BASELINE_DAYS))
    tell("features", 1, DATES)
    for done, past in table.build_parts(engine, staged, catalogue, "baseline_spine"):
        if not (past["account_id"].to_numpy() == accounts[at:done]).all():
            raise ServingError("baseline rows do not line up with the book; this is a bug, please report it")
        _only_when_there(matrix(bundle, past, into=values[at:done]), past)
        del past  # while the next one is computed
        at = done
        tell("features", 1 + done // n, DATES)
    return medians(values.reshape(len(BASELINE_DAYS), n, -1)).copy()  # the other dates' values go


def _only_when_there(values: Array, past: pa.Table) -> None:
    """Make unknown what is zero for dates before the account began."""
    if "account_age_days" in past.column_names:
        values[np.isnan(past["account_age_days"].to_numpy())] = np.nan


def medians(values: Array) -> Array:
    """Medians of what is known of (times, n, features), NaN where nothing is; they take the place of the first values.

    numpy's own function needs three times the memory.
    """
    found: Array = values[0]
    for start in range(0, values.shape[1], BLOCK):
        here = slice(start, start + BLOCK)
        block = np.sort(values[:, here], axis=0)  # NaN comes last
        known = (~np.isnan(block)).sum(axis=0, keepdims=True)
        low, high = (
            np.take_along_axis(block, at, axis=0)[0] for at in (np.maximum(known - 1, 0) // 2, known // 2 % len(values))
        )
        found[here] = (low + high) / 2
    return found


def _profile(engine: Engine, bundle: Bundle, features: pa.Table) -> pa.Table:
    """Segment and owner as known that day, and whether the account is silent beyond its segment's threshold."""
    engine.register("book_accounts", features.select(["account_id", "snapshot_at"]))
    known = engine.query(
        """SELECT b.account_id, MAX(r.segment) AS segment, MAX(r.owner) AS owner
           FROM book_accounts b LEFT JOIN accounts r ON r.account_id = b.account_id AND r.known_at <= b.snapshot_at
                AND (r.superseded_at IS NULL OR r.superseded_at > b.snapshot_at)
           GROUP BY b.account_id ORDER BY b.account_id"""
    )
    silent = features["days_since_last_use"].to_pylist() if "days_since_last_use" in features.column_names else None
    segments = known["segment"].to_pylist()
    inactive = (
        [None] * len(segments)
        if silent is None
        else [is_inactive(bundle, segment, days) for segment, days in zip(segments, silent, strict=True)]
    )
    return known.append_column("inactive", pa.array(inactive, pa.bool_()))


def is_inactive(bundle: Bundle, segment: str | None, days: float | None) -> bool | None:
    """Whether an account's last use, so many days ago (None: over a year), is beyond its segment's threshold.

    None where no threshold was learned.
    """
    thresholds = bundle.about.get("inactive_days") or {}
    threshold = thresholds.get(segment or "", thresholds.get(""))
    return None if threshold is None else days is None or days >= threshold


def _data_as_of(engine: Engine, staged: Staged, day: datetime) -> dict[str, datetime | None]:
    """Per component the newest row that was known on the day; None where its sources are not mapped."""
    found: dict[str, datetime | None] = {}
    for component, sources in COMPONENT_SOURCES.items():
        moments = [_newest(engine, name, day) for name in sources if name in staged.sources]
        found[component] = max((m for m in moments if m is not None), default=None)
    return found


def _newest(engine: Engine, source: str, day: datetime) -> datetime | None:
    clock, moment = f"r.{SOURCES[source].at}", engine.moment(day)
    newest = engine.rows(f"SELECT MAX({clock}) FROM {source} r WHERE {clock} < {moment} AND r.known_at <= {moment}")[0][
        0
    ]
    return newest if isinstance(newest, datetime) else None
