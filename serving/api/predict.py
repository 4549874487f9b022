"""Predictions for one request or a part of a job: by id, by features, or by id with changed inputs."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import isnan

import numpy as np

from serving.api.answers import ChangedInput, ModelOut, Polarity, Predictions, Result, WhatIfOut
from serving.api.asks import Row
from serving.api.context import Context
from serving.api.endpoint import Asked, Reply, reply
from serving.api.live import score_rows
from serving.api.models import Live
from serving.api.origin import live_model, setting_of, stored_model
from serving.api.planning import Given, Plan, Stored, look_up, needed, planned, rows_of
from serving.api.results import Setting, result_of
from serving.api.since import inputs_since, told_since
from serving.bundle import FeatureSpec
from serving.store.audit import Entry
from serving.store.scores import Score, Scored

POLARITY = Polarity()
FEW_ROWS = 2
"""Rows of features, some 2 ms each, that are computed without a thread of their own."""


def has_few_rows(asked: Asked) -> bool:
    """Whether a request to predict only computes, and not for long: it names no account, so the store is not read."""
    given = rows_of(asked.body)
    return len(given) <= FEW_ROWS and all(isinstance(row, Row) for row in given)


def predict(asked: Asked) -> Reply:
    """POST /v1/predict: by one model, in the order asked, each row with its own status."""
    context, ask = asked.context, asked.body
    live = context.models.current
    given = rows_of(ask)
    stored = look_up(context, given)
    asked.deadline.check()
    found = results(context, live, stored, given, factors=ask.max_top_factors, explain=ask.explain)
    counts = record(asked, found)
    context.metrics.predicted(counts)
    model = model_out(context, live, stored, found)
    return reply(Predictions(request_id=asked.request_id, polarity=POLARITY, model=model, results=found))


def results(
    context: Context, live: Live | None, stored: Stored, given: Sequence[Given], *, factors: int, explain: bool
) -> list[Result]:
    """One result a row, in their order; all that must be computed is computed at once, by one model.

    Raises:
        Problem: 503, a row must be computed and no model is live.
    """
    now, since = context.clock(), stored.since
    fresh = inputs_since(context, live, since, now) if since else {}
    plan_of = [planned(live, stored, fresh, row, now) for row in given]
    plans = [plan for plan in plan_of if isinstance(plan, Plan)]
    computed = iter(_computed(context, live, plans, now, factors=factors, explain=explain))
    setting = _stored_setting(context, stored, factors=factors, explain=explain)
    told = []
    for plan in plan_of:
        match plan:
            case Plan():
                told.append(next(computed))
            case Scored():
                assert setting is not None
                told.append(result_of(plan, setting, "stored"))
            case Result():
                told.append(plan)
    return [told_since(result, live, since) for result in told] if since and since.new else told


def record(asked: Asked, found: Sequence[Result]) -> dict[str, int]:
    """Write into the audit log how many rows were answered, ids and values left out; the count by status."""
    counts = dict(Counter(str(result.status) for result in found))
    versions = sorted({result.model_version for result in found if result.model_version})
    asked.context.trail.add(
        Entry(
            at=asked.context.clock(),
            action="predict",
            key_id=asked.caller.key.id,
            request_id=asked.request_id,
            detail={"rows": counts, "models": versions},
        )
    )
    return counts


def model_out(context: Context, live: Live | None, stored: Stored, found: Sequence[Result]) -> ModelOut | None:
    """The model that gave the numbers: the live one if anything was computed, else that of the run."""
    if stored.run is not None and all(result.source in ("stored", None) for result in found):
        return stored_model(context, stored.run, stored.model)
    return live_model(context, live)


def _stored_setting(context: Context, stored: Stored, *, factors: int, explain: bool) -> Setting | None:
    if stored.run is None:
        return None
    return setting_of(context, stored.run, stored.model, factors=factors, explain=explain)


def _computed(
    context: Context, live: Live | None, plans: Sequence[Plan], now: datetime, *, factors: int, explain: bool
) -> list[Result]:
    if not plans:
        return []
    live = needed(live)
    model_of_business = context.facts.business_model
    rows, known = np.array([plan.values for plan in plans]), [plan.known for plan in plans]
    found = score_rows(live, context.policy, model_of_business, rows, known, explain=explain)
    changed = [plan for plan in plans if plan.before is not None]
    unchanged, as_stored = np.array([plan.before for plan in changed]), [plan.known for plan in changed]
    before = iter(score_rows(live, context.policy, model_of_business, unchanged, as_stored, explain=False))
    told = []
    for plan, scored in zip(plans, found, strict=True):
        setting = Setting(
            policy=context.policy,
            scored_at=now,
            as_of=plan.known.as_of,
            model_version=live.version,
            base_rate=live.bundle.about.get("base_rate"),
            factors=factors,
            explain=explain,
        )
        result = result_of(scored, setting, plan.source)
        if plan.before is not None:
            result = result.model_copy(update={"what_if": _compared(live, plan, scored.score, next(before).score)})
        told.append(result)
    return told


def _compared(live: Live, plan: Plan, now: Score, before: Score) -> WhatIfOut:
    assert plan.before is not None
    changed = [
        ChangedInput(feature=spec.name, label=spec.definition, before=_shown(spec, was), after=_shown(spec, is_))
        for spec, was, is_ in zip(live.bundle.features, plan.before, plan.values, strict=True)
        if was != is_ and not (isnan(was) and isnan(is_))
    ]
    return WhatIfOut(
        changed=changed,
        health_score_before=before.health_score,
        churn_probability_before=before.churn_probability,
        tier_before=before.tier,
        health_score_change=_minus(now.health_score, before.health_score),
        churn_probability_change=_minus(now.churn_probability, before.churn_probability),
    )


def _shown(spec: FeatureSpec, value: float) -> float | str | None:
    if isnan(value):
        return None
    if spec.categories and 0 <= value < len(spec.categories):
        return str(spec.categories[int(value)])
    return value


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
