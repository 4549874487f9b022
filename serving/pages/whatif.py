"""The what-if form: which inputs of an account can be acted on, and between which values the model knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from serving.bundle import FeatureSpec
from serving.pages.explained import said
from serving.store.scores import Scored

MOST_SLIDERS = 6
"""Sliders that are open at once; the others are behind "more inputs"."""
STEPS = 40
ACTIONABLE = ("safer", "riskier")
NOT_NUMERIC = ("yes/no", "level", "stage")


@dataclass(frozen=True)
class Slider:
    """An input that can be moved over `[low, high]` in steps; `value` is where it stands, None if not known."""

    feature: str
    label: str
    unit: str
    component: str
    low: float
    high: float
    step: float
    start: float
    value: float | None
    value_said: str
    more_is: str


def sliders(scored: Scored, specs: Sequence[FeatureSpec], seen: Mapping[str, tuple[float, float]]) -> list[Slider]:
    """The inputs worth trying on an account, those first whose signal moves its score most.

    An input is actionable when more of it is known to be safer or riskier and it is a quantity; it can be moved where
    the book has been, between its 1st and 99th percentile, and to where the account stands.
    """
    features = scored.features or []
    if len(features) != len(specs):
        return []
    weight = {(d["component"], d["signal"]): abs(d["log_odds"]) for d in scored.detail.get("drivers") or ()}
    told = {reason["feature"] for reason in scored.detail.get("reasons") or ()}
    found = [
        (spec, value)
        for spec, value in zip(specs, features, strict=True)
        if spec.more_is in ACTIONABLE and spec.unit not in NOT_NUMERIC and not spec.categories and spec.name in seen
    ]
    found.sort(key=lambda pair: (pair[0].name not in told, -weight.get((pair[0].component, pair[0].signal), 0.0)))
    made = [_slider(spec, value, *seen[spec.name]) for spec, value in found]
    return [slider for slider in made if slider.high > slider.low]


def _slider(spec: FeatureSpec, value: float | None, low: float, high: float) -> Slider:
    reach = [low, high] if value is None else [low, high, value]
    step = _step(max(reach) - min(reach), spec.unit)
    least, most = floor(min(reach) / step) * step, ceil(max(reach) / step) * step
    return Slider(
        feature=spec.name,
        label=spec.definition,
        unit=spec.unit,
        component=spec.component,
        low=round(least, 9),
        high=round(most, 9),
        step=step,
        start=value if value is not None else round(least + step * round((most - least) / step / 2), 9),
        value=value,
        value_said=said(spec, value),
        more_is=spec.more_is,
    )


def _step(span: float, unit: str) -> float:
    """1, 2 or 5 times a power of ten, so that some forty steps cover the span; whole numbers where only they occur."""
    if span <= 0:
        return 1.0
    rough = span / STEPS
    power = 10.0 ** floor(log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
    return step if unit in ("share", "times") else max(1.0, step)
