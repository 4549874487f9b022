"""The model page: what the champion was worth on later data, and how a challenger differs from it."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from serving.health import RANGES, TYPICAL
from serving.pages.door import Visit
from serving.pages.explained import specs_of
from serving.pages.rival import rival
from serving.pages.words import UNKNOWN, Told, told
from serving.store import runs
from serving.store.runs import ModelVersion

METRICS = {
    "auc": ("AUC", 3),
    "average_precision": ("Average precision", 3),
    "lift_at_10pct": ("Lift of the riskiest 10 %", 2),
    "log_loss": ("Log loss", 3),
    "brier": ("Brier score", 3),
    "calibration_slope": ("Calibration slope", 2),
}
CONTENDERS = {
    "base_rate": "Base rate",
    "recency": "Recency alone",
    "hand_weights": "Hand weights",
    "logistic": "Logistic regression",
    "plain_lightgbm": "Plain LightGBM",
}


@dataclass(frozen=True)
class Weight:
    """A component's learned weight with its interval, beside what is customary."""

    component: str
    learned: Told
    typical: float | None
    range: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """Where the learned interval lies to the customary range."""
        low, high = self.learned["low"], self.learned["high"]
        if self.range is None or low is None or high is None:
            return UNKNOWN
        if high < self.range[0]:
            return "below"
        return "above" if low > self.range[1] else "agrees"


def show(visit: Visit) -> Response:
    """GET /model."""
    with visit.context.store.read() as db:
        run = runs.latest(db)
        if run is None:
            return visit.page("empty.html")
        model, against = runs.model(db, run.model_version), rival(db, run)
    about = told(model.about if model else {})
    evidence = about["evidence"] or Told()
    features: dict[str, list[Any]] = {}
    for spec in specs_of(model):
        features.setdefault(spec.component, []).append(spec)
    return visit.page(
        "model.html",
        run=run,
        model=model,
        about=about,
        evidence=evidence,
        bins=[one for one in evidence["reliability"] or () if one["observed"]["value"] is not None],
        contenders=contenders(evidence),
        metrics=METRICS,
        tiers=_tiers(visit, evidence),
        weights=weights(about, evidence),
        most_weight=_most_weight(weights(about, evidence)),
        features=features,
        rival=against,
        rival_test=_test_of(against.model) if against else None,
        policy=visit.context.policy,
        refused=visit.context.models.refused or visit.context.models.told,
    )


def contenders(evidence: Told) -> dict[str, Told]:
    """The model above its benchmarks, judged on the same rows."""
    if not evidence["test"]:
        return {}
    rivals = evidence["benchmarks"] or {}
    return {"This model": evidence["test"], **{CONTENDERS.get(name, name): rivals[name] for name in rivals}}


def weights(about: Told, evidence: Told) -> list[Weight]:
    """The weights of health, the heaviest first; without evidence as they are, without intervals."""
    with_intervals = (evidence["health"] or Told())["weights"] or {}
    plain = about["weights"] or {}
    held = {name: with_intervals.get(name) or Told(value=plain[name]) for name in plain or with_intervals}
    found = [Weight(name, told, TYPICAL.get(name), RANGES.get(name)) for name, told in held.items()]
    return sorted(found, key=lambda weight: -(weight.learned["value"] or 0.0))


def _tiers(visit: Visit, evidence: Told) -> list[dict[str, Any]]:
    rates = (evidence["health"] or Told())["tiers"] or {}
    rules = visit.context.policy.tiers
    found = [
        {
            "label": rules[name].label if name in rules else name,
            "colour": rules[name].colour if name in rules else "#767676",
            **rates[name],
        }
        for name in rates
    ]
    return sorted(found, key=lambda tier: -(tier["churn_rate"]["value"] or 0.0))


def _test_of(model: ModelVersion | None) -> Told | None:
    """What a model was worth on its own test rows."""
    held: Told | None = (told(model.about)["evidence"] or Told())["test"] if model else None
    return held


def _most_weight(found: list[Weight]) -> float:
    ends = [end for weight in found for end in (weight.learned["high"], weight.learned["value"]) if end is not None]
    return float(max([*ends, *(weight.range[1] for weight in found if weight.range), 0.01]))
