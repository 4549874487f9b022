"""The bundle: everything a score needs, in two text files. `model.txt` (LightGBM) and `bundle.json`.

No pickle. Loading checks the checksum and a probe: stored rows must give the stored scores again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.declare import Feature
from serving.booster import Booster
from serving.calibration import Calibration
from serving.errors import ServingError
from serving.health import Scale
from serving.tiers import TIERS, Tier

FORMAT = 2
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
    features with the probabilities and health scores they must give (see `probe_of`).
    """

    features: tuple[FeatureSpec, ...]
    vocabulary: dict[str, Any]
    booster: Booster | None
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

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle's `bundle.json`, which holds that of its model: two alike score alike to the bit."""
        return _digest(_as_json(self))

    def columns(self, component: str) -> NDArray[np.intp]:
        """Positions of a component's features."""
        return np.flatnonzero([spec.component == component for spec in self.features])


def save(bundle: Bundle, folder: Path) -> None:
    """Write a bundle's two files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.txt").write_text(_model(bundle), encoding="utf-8")
    (folder / "bundle.json").write_text(_as_json(bundle), encoding="utf-8")


def _model(bundle: Bundle) -> str:
    return "" if bundle.booster is None else bundle.booster.text


def _as_json(bundle: Bundle) -> str:
    calibration = bundle.calibration
    held = {
        "format": FORMAT,
        "model_sha256": _digest(_model(bundle)),
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
    return json.dumps(held, indent=1, allow_nan=False, default=str)


def load(folder: Path) -> Bundle:
    """Read a bundle and prove that it scores as it did when it was saved.

    Raises:
        ServingError: a file is missing, damaged or of another format, or the probe gives other scores.
    """
    try:
        model = (folder / "model.txt").read_text(encoding="utf-8")
        held = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServingError(f"{folder} is not a readable bundle ({error}); train again or copy it again") from error
    try:
        bundle = _checked(folder, held, model)
        check_probe(bundle)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ServingError(
            f"{folder / 'bundle.json'} does not hold what a bundle holds ({error!r}); train again or copy it again"
        ) from error
    return bundle


def probe_of(bundle: Bundle, rows: NDArray[np.float64]) -> dict[str, Any]:
    """What a learned bundle's `probe` holds: rows (n, features), null where unknown, and how they score."""
    from serving.score import score  # score reads bundles

    found = score(bundle, rows)
    return {
        "rows": [[None if np.isnan(x) else x for x in row] for row in rows.tolist()],
        "probability": found.probability.tolist(),
        "health": found.health.tolist(),
    }


def check_probe(bundle: Bundle) -> None:
    """Score the stored rows of a learned bundle again.

    Raises:
        ServingError: a probability or a health score differs by more than 1e-9 from the stored one.
    """
    if not bundle.is_learned:
        return
    found = probe_of(bundle, np.array(bundle.probe["rows"], dtype=np.float64))
    for name in ("probability", "health"):
        off = float(np.max(np.abs(np.array(found[name]) - np.array(bundle.probe[name], dtype=np.float64))))
        if not off <= PROBE_TOLERANCE:
            raise ServingError(
                f"the probe rows score {off:.2g} of {name} away from what they scored at training; the bundle is broken"
            )


def _checked(folder: Path, held: dict[str, Any], model: str) -> Bundle:
    """The bundle, if its format is this one and its model the one it was saved with."""
    if held.get("format") != FORMAT:
        raise ServingError(f"{folder} has bundle format {held.get('format')}, this version reads {FORMAT}; train again")
    if _digest(model) != held["model_sha256"]:
        raise ServingError(f"{folder}/model.txt is not the model this bundle was saved with; copy the bundle again")
    return _restored(held, model)


def _restored(held: dict[str, Any], model: str) -> Bundle:
    calibration = held["calibration"]
    if calibration is not None:
        calibration = Calibration(**{**calibration, "draws": np.array(calibration["draws"], dtype=np.float64)})
    return Bundle(
        features=tuple(FeatureSpec(**{**spec, "categories": tuple(spec["categories"])}) for spec in held["features"]),
        vocabulary=held["vocabulary"],
        booster=Booster(model) if model else None,
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
