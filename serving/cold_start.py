"""The bundle of a company without a model: health from the typical weights, and no churn probability."""

from dataclasses import asdict

from features.catalogue import declare, discover
from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from serving.bundle import Bundle, spec_of
from serving.health import TYPICAL


def cold_start(settings: Settings, engine: Engine, staged: Staged) -> Bundle:
    """A bundle that scores by the shipped step maps until there is history to learn from."""
    vocabulary = discover(engine, staged, known_by=staged.now, max_events=settings.features.max_events)
    catalogue = declare(staged, vocabulary)
    present = [c for c in settings.health.components if c in catalogue.components and c in TYPICAL]
    return Bundle(
        features=tuple(spec_of(feature) for feature in catalogue.features),
        vocabulary=asdict(vocabulary),
        booster=None,
        calibration=None,
        scales={},
        weights={c: TYPICAL[c] for c in present},
        health_components=tuple(present),
        about={"horizon_days": settings.churn.horizon_days, "fallback": "no model is registered"},
    )
