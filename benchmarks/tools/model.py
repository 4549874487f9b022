"""A bundle whose model tells made-up accounts apart, and requests about them."""

from math import isnan
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features import commercial, feedback, relationship, support, usage
from features.declare import Feature
from serving.booster import Booster
from serving.bundle import Bundle, FeatureSpec, probe_of, spec_of
from serving.calibration import Calibration, sigmoid
from serving.health import Scale, weights
from serving.score import by_component

Rows = NDArray[np.float64]
LEARN_FROM = 4000
BODIES = 64
"""Different accounts that are asked about in turn."""
HEALTH = ("usage", "feedback", "support", "relationship")


def declared() -> list[Feature]:
    """Sixty of the features that companies have."""
    return [
        *usage.features(())[:24],
        *feedback.features()[:10],
        *support.features()[:10],
        *relationship.features()[:6],
        *commercial.features({})[:10],
    ]


def learn(trees: int) -> tuple[Bundle, Rows]:
    """A bundle, and the accounts it was learned from, a tenth of their inputs unknown."""
    rng = np.random.default_rng(0)
    specs = tuple(spec_of(feature) for feature in declared())
    rows = np.floor(rng.exponential(20, (LEARN_FROM, len(specs))))
    risk = (np.log1p(rows) - 2.5) @ rng.normal(size=len(specs)) / 3 - 2
    rows[rng.random(rows.shape) < 0.1] = np.nan
    churned = rng.random(LEARN_FROM) < sigmoid(risk)
    words: dict[str, Any] = {"event_names": [], "all_events": [], "categories": {}}
    return bundle_of(specs, rows, churned, words, trees), rows


def bundle_of(
    specs: tuple[FeatureSpec, ...], rows: Rows, churned: NDArray[np.bool_], words: dict[str, Any], trees: int
) -> Bundle:
    """A bundle that learns who churned, without the care that training takes: for the time that scoring takes."""
    rng = np.random.default_rng(1)
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 0}
    booster = Booster(lgb.train(settings, lgb.Dataset(rows, churned.astype(float)), trees).model_to_string())
    slopes = dict.fromkeys((spec.component for spec in specs), 0.9)
    draws = np.array([-2.0, *slopes.values()]) + 0.1 * rng.normal(size=(200, 1 + len(slopes)))
    draft = Bundle(specs, words, booster, Calibration(-2.0, slopes, draws), {}, {}, HEALTH)
    terms = 0.9 * by_component(draft, booster.contributions(rows)[:, :-1])
    low, high = np.quantile(terms, [0.01, 0.99], axis=0)
    scales = {name: Scale(float(low[i]), float(high[i])) for i, name in enumerate(slopes)}
    made = {"scales": scales, "weights": weights({name: scales[name] for name in HEALTH}), "about": {"base_rate": 0.1}}
    learned = Bundle(**{**vars(draft), **made})
    learned.probe.update(probe_of(learned, rows[:8]))
    return learned


def bodies_of(bundle: Bundle, rows: Rows, *, explain: bool) -> list[dict[str, Any]]:
    """Requests for one account each."""
    names = [spec.name for spec in bundle.features]
    features = [{n: v for n, v in zip(names, row, strict=True) if not isnan(v)} for row in rows[:BODIES].tolist()]
    return [
        {"rows": [{"external_id": f"account {i}", "features": one}], "max_top_factors": 3, "explain": explain}
        for i, one in enumerate(features)
    ]
