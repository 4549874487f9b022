"""The scored book: one row an account with everything a reader or a system needs, and that adds up."""

from dataclasses import asdict, dataclass
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
from serving.reasons import MOST, reasons, signals
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
    found = score(bundle, rows)
    segment = np.array([s or "" for s in profile["segment"].to_pylist()], dtype=str)
    told = reasons(bundle, found, rows, baseline, segment)
    value = yearly_value([spec.name for spec in bundle.features], rows)
    n = len(rows)
    columns: dict[str, Any] = {
        "account_id": features["account_id"],
        "as_of": features["snapshot_at"],
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
        "reasons": pa.array([[asdict(r) for r in row] for row in told], pa.list_(REASON)),
    }
    for i in range(MOST):
        texts = [[r.text for r in row if r.contribution > 0] for row in told]
        columns[f"reason_{i + 1}"] = pa.array([t[i] if len(t) > i else None for t in texts], pa.string())
    return pa.table(columns)


def write(book: pa.Table, path: Path) -> None:
    """Write a scored book as Parquet, whole or not at all."""
    with replacing(path) as partial:
        pq.write_table(book, partial)


def matrix(bundle: Bundle, features: pa.Table) -> Array:
    """The bundle's features out of a table, in the bundle's order; a column that is not there is unknown."""
    have = set(features.column_names)
    return np.column_stack(
        [
            features[spec.name].to_numpy().astype(np.float64) if spec.name in have else np.full(len(features), np.nan)
            for spec in bundle.features
        ]
    )


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
    if not bundle.is_learned:
        return pa.array([[] for _ in found.health], pa.list_(DRIVER))
    known = signals(bundle)
    moved = known.contributions(found.drivers)
    return pa.array(
        [
            [{"component": c, "signal": s, "log_odds": x} for (c, s), x in zip(known.names, row, strict=True)]
            for row in moved.tolist()
        ],
        pa.list_(DRIVER),
    )


def _floats(values: Array) -> pa.Array:
    """NaN as null: what is not known is not a number that anybody should add."""
    return pa.array(values, pa.float64(), from_pandas=True)
