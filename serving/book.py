"""The scored book: one row an account with everything a reader or a system needs, and that adds up."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features.replacing import replacing
from retention.value import value_at_risk, yearly_value
from serving.bundle import Bundle
from serving.reasons import MOST, Told, signals, told
from serving.score import Scores, score

Array = NDArray[np.float64]

REASON = pa.struct(
    [
        *(pa.field(name, pa.string()) for name in ("signal", "component", "feature", "text")),
        *(
            pa.field(name, pa.float64())
            for name in ("value", "baseline", "peer_percentile", "contribution", "contribution_pp")
        ),
    ]
)
DRIVER = pa.struct([("component", pa.string()), ("signal", pa.string()), ("log_odds", pa.float64())])


@dataclass(frozen=True)
class ScoredDay:
    """A scored book (see `score_book`), riskiest value first, and what it was scored from.

    `features` and `baseline` (the accounts' own usual values) hold account_id and the bundle's features, in the
    order of the book.
    """

    book: pa.Table
    features: pa.Table
    baseline: pa.Table

    def part(self, start: int, most: int) -> "ScoredDay":
        """At most so many accounts from a place on."""
        return ScoredDay(*(table.slice(start, most) for table in (self.book, self.features, self.baseline)))


def score_book(
    bundle: Bundle,
    features: pa.Table,
    *,
    baseline: Array,
    profile: pa.Table,
    data_as_of: dict[str, datetime | None],
    model_version: str | None,
    scored_at: datetime,
) -> pa.Table:
    """Score a feature table of one date.

    Args:
        bundle: the model, calibration and scales.
        features: account_id, snapshot_at and the bundle's features (others are ignored, missing ones unknown).
        baseline: each account's own usual values, (n, features), NaN where it has no past.
        profile: segment, owner and inactive (a warning, not churn) of each account, in the same order.
        data_as_of: newest row known per component.
        model_version: the registered version, None for a bundle that is not registered.
        scored_at: now, naive UTC.

    Returns:
        One row an account, in the order given: probability with interval, health, tier, per component score,
        weight, points (they sum to health), log-odds, coverage and data date; drivers by signal, which with
        `intercept` sum to `log_odds`; reasons in words; yearly value and value at risk.
    """
    rows = matrix(bundle, features)
    return book_of(
        bundle,
        features,
        rows,
        score(bundle, rows),
        baseline=baseline,
        profile=profile,
        data_as_of=data_as_of,
        model_version=model_version,
        scored_at=scored_at,
    )


def book_of(
    bundle: Bundle,
    keys: pa.Table,
    rows: Array,
    found: Scores,
    *,
    baseline: Array,
    profile: pa.Table,
    data_as_of: dict[str, datetime | None],
    model_version: str | None,
    scored_at: datetime,
) -> pa.Table:
    """As `score_book`, of rows (n, features) that are scored; `keys` has their account_id and snapshot_at."""
    value = yearly_value([spec.name for spec in bundle.features], rows)
    n = len(rows)
    columns: dict[str, Any] = {
        "account_id": keys["account_id"],
        "as_of": keys["snapshot_at"],
        "scored_at": pa.array([scored_at] * n, pa.timestamp("us")),
        "model_version": pa.array([model_version] * n, pa.string()),
        "status": pa.array(["ok" if bundle.is_learned else "cold_start"] * n),
        "horizon_days": pa.array([bundle.about.get("horizon_days")] * n, pa.int64()),
        "churn_probability": _floats(found.probability),
        "churn_probability_low": _floats(found.interval[0]),
        "churn_probability_high": _floats(found.interval[1]),
        "intercept": _floats(np.full(n, found.intercept if bundle.is_learned else np.nan)),
        "log_odds": _floats(found.log_odds),
        "health_score": _floats(found.health),
        "tier": pa.array(found.tier.tolist(), pa.string()),
        "segment": profile["segment"],
        "owner": profile["owner"],
        "inactive": profile["inactive"],
        "yearly_value": _floats(value),
        "value_at_risk": _floats(value_at_risk(found.probability, value)),
        **_components(bundle, found, rows, data_as_of),
        "drivers": _drivers(bundle, found),
    }
    segment = np.array([s or "" for s in profile["segment"].to_pylist()], dtype=str)
    return pa.table(columns | _reasons(bundle, told(bundle, found, rows, baseline, segment)))


def write(book: pa.Table, path: Path) -> None:
    """Write a scored book as Parquet, whole or not at all."""
    with replacing(path) as partial:
        pq.write_table(book, partial)


def matrix(bundle: Bundle, features: pa.Table, into: Array | None = None) -> Array:
    """The bundle's features out of a table, in the bundle's order; a column that is not there is unknown.

    Written `into` an array of (rows, features) where one is given.
    """
    have = set(features.column_names)
    values = np.empty((len(features), len(bundle.features))) if into is None else into
    for j, spec in enumerate(bundle.features):
        values[:, j] = features[spec.name].to_numpy() if spec.name in have else np.nan
    return values


def _components(
    bundle: Bundle, found: Scores, rows: Array, data_as_of: dict[str, datetime | None]
) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    for component in bundle.components:
        if component in bundle.health_components:
            columns[f"{component}_score"] = _floats(found.component_scores[component])
            columns[f"{component}_weight"] = _floats(found.shares[component])
            columns[f"{component}_points"] = _floats(found.component_scores[component] * found.shares[component])
        if bundle.is_learned:
            columns[f"{component}_log_odds"] = _floats(found.terms[:, bundle.components.index(component)])
        held = ~np.isnan(rows[:, bundle.columns(component)])
        columns[f"{component}_coverage"] = _floats(held.mean(axis=1))
        columns[f"{component}_data_as_of"] = pa.array([data_as_of.get(component)] * len(rows), pa.timestamp("us"))
    return columns


def _drivers(bundle: Bundle, found: Scores) -> pa.Array:
    """Each row's signals with what they move."""
    n = len(found.health)
    if not bundle.is_learned:
        return pa.ListArray.from_arrays(np.zeros(n + 1, np.int32), pa.array([], DRIVER))
    known = signals(bundle)
    width = len(known.names)
    which = np.tile(np.arange(width, dtype=np.int32), n)
    names = [pa.array([name[part] for name in known.names]).take(pa.array(which)) for part in (0, 1)]
    moved = pa.array(known.contributions(found.drivers).ravel())
    return pa.ListArray.from_arrays(
        np.arange(n + 1, dtype=np.int32) * width, pa.StructArray.from_arrays([*names, moved], fields=list(DRIVER))
    )


def _reasons(bundle: Bundle, told: Told) -> dict[str, pa.Array]:
    """The reasons of each row as a list, and the texts of those that raise its risk."""
    ends = np.searchsorted(told.row, np.arange(told.rows + 1)).astype(np.int32)
    texts = pa.array(told.text, pa.string())
    components, names = (pa.array([name[part] for name in told.known.names], pa.string()) for part in (0, 1))
    fields = [
        names.take(pa.array(told.signal)),
        components.take(pa.array(told.signal)),
        pa.array([spec.name for spec in bundle.features]).take(pa.array(told.feature)),
        texts,
        *(_floats(values) for values in (told.value, told.baseline, told.percentile)),
        pa.array(told.contribution),
        pa.array(told.points),
    ]
    listed = pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays(fields, fields=list(REASON)))
    nth = np.arange(len(told.row)) - ends[told.row]
    columns = {"reasons": listed}
    for i in range(MOST):
        at = np.full(told.rows, -1)
        chosen = (nth == i) & (told.contribution > 0)
        at[told.row[chosen]] = np.flatnonzero(chosen)
        columns[f"reason_{i + 1}"] = texts.take(pa.array(at, mask=at < 0))
    return columns


def _floats(values: Array) -> pa.Array:
    """NaN as null: what is not known is not a number that anybody should add."""
    return pa.array(values, pa.float64(), from_pandas=True)
