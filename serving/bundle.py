"""The bundle: everything a score needs, in two text files. `model.txt` (LightGBM) and `bundle.json`.

No pickle. Loading checks the checksum and a probe: stored rows must give the stored probabilities again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features.declare import Feature
from serving.calibration import Calibration
from serving.errors import ServingError
from serving.health import Scale
from serving.tiers import TIERS, Tier

FORMAT = 1
PROBE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class FeatureSpec:
    """What serving needs to know of one feature: its place in the row, its component, and its words."""

    name: str
    component: str
    signal: str
    definition: str
    unit: str
    more_is: str
    categories: tuple[str, ...] = ()


def spec_of(feature: Feature) -> FeatureSpec:
    """The serving side of a declared feature."""
    return FeatureSpec(
        feature.name,
        feature.component,
        feature.signal,
        feature.definition,
        feature.unit,
        feature.more_is.value,
        feature.categories,
    )


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with its calibration, health scales, words and evidence.

    `booster` is None for a cold start: then health comes from the typical weights, and there is no churn
    probability. `features` are in the order of the model's columns. `health_components` make the health score.
    `about` holds what a reader asks: horizon, dates, data, code version, evidence. `probe` holds a few rows of
    features with the probabilities they must give.
    """

    features: tuple[FeatureSpec, ...]
    vocabulary: dict[str, Any]
    booster: lgb.Booster | None
    calibration: Calibration | None
    scales: Mapping[str, Scale]
    weights: Mapping[str, float]
    health_components: tuple[str, ...]
    tiers: tuple[Tier, ...] = TIERS
    about: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)

    @property
    def components(self) -> list[str]:
        """Components in the order of the calibration's slopes; of a cold start, those with a feature."""
        if self.calibration is not None:
            return list(self.calibration.slopes)
        return list(dict.fromkeys(spec.component for spec in self.features))

    @property
    def is_learned(self) -> bool:
        """Whether a model was learned from history (False: cold start)."""
        return self.booster is not None

    def columns(self, component: str) -> NDArray[np.intp]:
        """Positions of a component's features."""
        return np.flatnonzero([spec.component == component for spec in self.features])


def save(bundle: Bundle, folder: Path) -> None:
    """Write a bundle's two files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = "" if bundle.booster is None else bundle.booster.model_to_string()
    (folder / "model.txt").write_text(model, encoding="utf-8")
    calibration = bundle.calibration
    held = {
        "format": FORMAT,
        "model_sha256": _digest(model),
        "features": [asdict(spec) for spec in bundle.features],
        "vocabulary": bundle.vocabulary,
        "calibration": None
        if calibration is None
        else {**asdict(calibration), "slopes": dict(calibration.slopes), "draws": calibration.draws.tolist()},
        "scales": {name: asdict(scale) for name, scale in bundle.scales.items()},
        "weights": dict(bundle.weights),
        "health_components": list(bundle.health_components),
        "tiers": [asdict(tier) for tier in bundle.tiers],
        "about": bundle.about,
        "probe": bundle.probe,
    }
    text = json.dumps(held, indent=1, allow_nan=False, default=str)
    (folder / "bundle.json").write_text(text, encoding="utf-8")


def load(folder: Path) -> Bundle:
    """Read a bundle and prove that it scores as it did when it was saved.

    Raises:
        ServingError: a file is missing, damaged or of another format, or the probe gives other probabilities.
    """
    try:
        model = (folder / "model.txt").read_text(encoding="utf-8")
        held = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServingError(f"{folder} is not a readable bundle ({error}); train again or copy it again") from error
    if held.get("format") != FORMAT:
        raise ServingError(f"{folder} has bundle format {held.get('format')}, this version reads {FORMAT}; train again")
    if _digest(model) != held["model_sha256"]:
        raise ServingError(f"{folder}/model.txt is not the model this bundle was saved with; copy the bundle again")
    bundle = _restored(held, model)
    check_probe(bundle)
    return bundle


def check_probe(bundle: Bundle) -> None:
    """Score the stored rows again.

    Raises:
        ServingError: a probability differs by more than 1e-9 from the stored one.
    """
    from serving.score import score  # score reads bundles

    if not bundle.probe:
        return
    rows = np.array(bundle.probe["rows"], dtype=np.float64)
    found, wanted = score(bundle, rows).probability, np.array(bundle.probe["probability"])
    off = float(np.max(np.abs(found - wanted)))
    if not off <= PROBE_TOLERANCE:
        raise ServingError(
            f"the probe rows score {off:.2g} away from what they scored at training; the bundle is broken"
        )


def _restored(held: dict[str, Any], model: str) -> Bundle:
    calibration = held["calibration"]
    if calibration is not None:
        calibration = Calibration(**{**calibration, "draws": np.array(calibration["draws"], dtype=np.float64)})
    return Bundle(
        features=tuple(FeatureSpec(**{**spec, "categories": tuple(spec["categories"])}) for spec in held["features"]),
        vocabulary=held["vocabulary"],
        booster=lgb.Booster(model_str=model) if model else None,
        calibration=calibration,
        scales={name: Scale(**scale) for name, scale in held["scales"].items()},
        weights=held["weights"],
        health_components=tuple(held["health_components"]),
        tiers=tuple(Tier(**tier) for tier in held["tiers"]),
        about=held["about"],
        probe=held["probe"],
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
