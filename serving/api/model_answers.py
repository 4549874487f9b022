"""What is answered about jobs, the model, its catalogue, and the policy's tiers and plays."""

from typing import Literal

from serving.api.answers import Answer, Envelope, ModelOut, Moment, Object, Share


class JobOut(Envelope):
    """A job: `done` of `total` rows. Its result can be fetched when the state is `done`."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    created_at: Moment
    finished_at: Moment | None
    error: str | None
    result: str | None


class WeightOut(Answer):
    """A component's weight in the health score, as learned and as customary."""

    component: str
    in_health: bool
    weight: Share | None
    typical: Share | None


class ModelAnswer(Envelope):
    """The live model; null with why where none is."""

    model: ModelOut | None
    is_learned: bool | None
    digest: str | None
    loaded_at: Moment | None
    base_rate: Share | None
    weights: list[WeightOut]
    about: Object
    refused: str | None


class FeatureOut(Answer):
    """A feature: what it means, its unit and which way it is safer."""

    name: str
    component: str
    signal: str
    definition: str
    unit: str
    more_is: str
    categories: list[str]


class Catalogue(Envelope):
    """The live model's features, in its order."""

    model: ModelOut
    features: list[FeatureOut]


class TierOut(Answer):
    """A band of the unrounded health score, [floor, floor of the band above), and its response."""

    name: str
    label: str
    floor: float
    colour: str
    play: str
    owner: str
    sla_hours: float
    success_metric: str


class Tiers(Envelope):
    """The tiers, best first."""

    tiers: list[TierOut]


class PlayOut(Answer):
    """What to do, step by step."""

    id: str
    title: str
    steps: list[str]
    owner: str
    due_in_hours: float
    success_metrics: list[str]


class Plays(Envelope):
    """All plays of the policy."""

    plays: list[PlayOut]
