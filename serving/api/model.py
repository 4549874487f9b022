"""What is in force: the live model with its features, and the policy's tiers and plays."""

from dataclasses import asdict

from serving.api.endpoint import Asked, Reply, reply
from serving.api.model_answers import Catalogue, FeatureOut, ModelAnswer, PlayOut, Plays, TierOut, Tiers, WeightOut
from serving.api.models import Live
from serving.api.origin import live_model
from serving.api.problems import Problem
from serving.health import TYPICAL


def model(asked: Asked) -> Reply:
    """GET /v1/model."""
    models = asked.context.models
    live = models.current
    return reply(
        ModelAnswer(
            request_id=asked.request_id,
            model=live_model(asked.context, live),
            is_learned=live.bundle.is_learned if live else None,
            digest=live.bundle.digest if live else None,
            loaded_at=live.loaded_at if live else None,
            base_rate=live.bundle.about.get("base_rate") if live else None,
            weights=_weights(live) if live else [],
            about=dict(live.bundle.about) if live else {},
            refused=models.refused or models.told,
        )
    )


def catalogue(asked: Asked) -> Reply:
    """GET /v1/catalogue."""
    live = asked.context.models.current
    told = live_model(asked.context, live)
    if live is None or told is None:
        raise Problem("no-model", retry_after=30)
    features = [FeatureOut(**{**asdict(spec), "categories": list(spec.categories)}) for spec in live.bundle.features]
    return reply(Catalogue(request_id=asked.request_id, model=told, features=features))


def tiers(asked: Asked) -> Reply:
    """GET /v1/tiers."""
    rules = sorted(asked.context.policy.tiers.values(), key=lambda rule: -rule.floor)
    found = [TierOut(name=rule.id, **rule.model_dump(include=set(TierOut.model_fields) - {"name"})) for rule in rules]
    return reply(Tiers(request_id=asked.request_id, tiers=found))


def plays(asked: Asked) -> Reply:
    """GET /v1/plays."""
    found = [PlayOut(**play.model_dump(mode="json")) for play in asked.context.policy.plays.values()]
    return reply(Plays(request_id=asked.request_id, plays=found))


def _weights(live: Live) -> list[WeightOut]:
    bundle = live.bundle
    return [
        WeightOut(
            component=component,
            in_health=component in bundle.health_components,
            weight=bundle.weights.get(component) if component in bundle.health_components else None,
            typical=TYPICAL.get(component),
        )
        for component in bundle.components
    ]
