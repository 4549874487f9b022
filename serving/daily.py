"""Score the book as of one day: from staged sources to the scored table."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features import snapshots, table
from features.catalogue import Catalogue, Vocabulary, declare
from features.config import Settings
from features.contracts import SOURCES
from features.engine import Engine
from features.sources import Staged
from serving.book import ScoredDay, matrix, score_book
from serving.bundle import Bundle
from serving.errors import ServingError

BASELINE_DAYS = (28, 56, 84)
"""An account's own baseline is the median of its values this long ago."""

COMPONENT_SOURCES = {
    "usage": ("usage",),
    "feedback": ("feedback",),
    "support": ("support",),
    "relationship": ("touchpoints",),
    "commercial": ("subscriptions", "invoices"),
}


def score_day(
    settings: Settings, engine: Engine, staged: Staged, bundle: Bundle, day: datetime, *, version: str | None
) -> ScoredDay:
    """Score everybody in the population on one day.

    Raises:
        ServingError: nobody is to be scored on that day.
    """
    if snapshots.spine_at(settings, engine, staged, day) == 0:
        raise ServingError(f"no account is in the population on {day:%Y-%m-%d}; choose a day within the data")
    engine.create("book_spine", "SELECT account_id, snapshot_at FROM spine")
    catalogue = declare(staged, Vocabulary.from_dict(bundle.vocabulary))
    features = table.build(engine, staged, catalogue, "book_spine")
    baseline = _baseline(engine, staged, catalogue, bundle, features)
    book = score_book(
        bundle,
        features,
        baseline=baseline,
        profile=_profile(engine, bundle, features),
        data_as_of=_data_as_of(engine, staged, day),
        model_version=version,
        scored_at=datetime.now(UTC).replace(tzinfo=None),
    )
    order = pc.sort_indices(
        book,
        [("value_at_risk", "descending"), ("health_score", "ascending"), ("account_id", "ascending")],
    )
    accounts = features["account_id"]
    parts = book, _named(bundle, accounts, matrix(bundle, features)), _named(bundle, accounts, baseline)
    return ScoredDay(*(part.take(order) for part in parts))


def _named(bundle: Bundle, accounts: pa.ChunkedArray, values: NDArray[np.float64]) -> pa.Table:
    """Values by account and feature, unknown ones null."""
    columns = {spec.name: pa.array(values[:, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
    return pa.table({"account_id": accounts, **columns})


def _baseline(
    engine: Engine, staged: Staged, catalogue: Catalogue, bundle: Bundle, features: pa.Table
) -> NDArray[np.float64]:
    """Median of each feature 28, 56 and 84 days ago, over the dates at which the account was there."""
    held = " UNION ALL ".join(
        f"SELECT account_id, snapshot_at - INTERVAL {days} DAY AS snapshot_at FROM book_spine" for days in BASELINE_DAYS
    )
    engine.create("baseline_spine", held)
    past = table.build(engine, staged, catalogue, "baseline_spine")
    values = _only_when_there(matrix(bundle, past), past).reshape(
        len(BASELINE_DAYS), len(features), len(bundle.features)
    )
    began = past["account_id"].to_numpy().reshape(len(BASELINE_DAYS), -1)
    if not (began == features["account_id"].to_numpy()).all():
        raise ServingError("baseline rows do not line up with the book; this is a bug, please report it")
    return _nanmedian(values)


def _only_when_there(values: NDArray[np.float64], past: pa.Table) -> NDArray[np.float64]:
    """Unknown instead of zero for dates before the account began."""
    if "account_age_days" not in past.column_names:
        return values
    age = past["account_age_days"].to_numpy()
    return np.where(np.isnan(age)[:, None], np.nan, values)


def _nanmedian(values: NDArray[np.float64]) -> NDArray[np.float64]:
    unknown = np.isnan(values).all(axis=0)
    return np.where(unknown, np.nan, np.nanmedian(np.where(unknown, 0.0, values), axis=0))


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
