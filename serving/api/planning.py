"""What to do about each row that is asked for: compute it, give the stored score, or say why neither can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isnan, nan
from typing import Literal

from serving.api.answers import Result
from serving.api.asks import Predict, PredictJob, Row, Value, WhatIf
from serving.api.context import Context
from serving.api.live import Known
from serving.api.models import Live
from serving.api.problems import Problem
from serving.holding import why_held
from serving.store import accounts, runs
from serving.store.runs import ModelVersion, Run
from serving.store.scores import Score, Scored

Given = Row | str | WhatIf


@dataclass(frozen=True)
class Stored:
    """What the store knows of the accounts asked for: as the latest run scored them, under which model."""

    run: Run | None = None
    model: ModelVersion | None = None
    accounts: Mapping[str, Scored] = field(default_factory=dict)
    ranks: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A row to be scored: its inputs, what is known besides, and for a what-if the inputs before."""

    source: Literal["live", "what_if"]
    values: list[float]
    known: Known
    before: list[float] | None = None


def rows_of(ask: Predict | PredictJob) -> Sequence[Given]:
    """The rows asked for, whichever kind they are."""
    return ask.rows or ask.account_ids or ask.accounts


def look_up(context: Context, given: Sequence[Given]) -> Stored:
    """The stored scores of the accounts named, all of one run; nothing for rows of features."""
    ids = [row if isinstance(row, str) else row.external_id for row in given if not isinstance(row, Row)]
    if not ids:
        return Stored()
    with context.store.read() as db:
        run = runs.latest(db)
        if run is None:
            return Stored()
        found = accounts.many(db, list(dict.fromkeys(ids)))
        changed = {row.external_id for row in given if isinstance(row, WhatIf) and row.overrides}
        ranks = {id_: accounts.value_rank(db, run.id, found[id_].score.yearly_value) for id_ in changed if id_ in found}
        return Stored(run, runs.model(db, run.model_version), found, ranks)


def planned(live: Live | None, stored: Stored, row: Given, now: datetime) -> Plan | Scored | Result:
    """What to do about a row: compute it, give the stored score, or say why neither can be done."""
    if isinstance(row, Row):
        return _features(needed(live), row, now)
    external_id = row if isinstance(row, str) else row.external_id
    found = stored.accounts.get(external_id)
    if found is None:
        return Result(external_id=external_id, status="not_found", error="the latest run did not score such an account")
    if isinstance(row, str) or not row.overrides:
        return found
    return _what_if(needed(live), stored, found, row)


def needed(live: Live | None) -> Live:
    """The live model.

    Raises:
        Problem: 503, there is none.
    """
    if live is None:
        raise Problem("no-model", "features need a live model; stored scores are there without one", retry_after=30)
    return live


def _features(live: Live, row: Row, now: datetime) -> Plan | Result:
    values = [nan] * len(live.names)
    fault = _put(live, values, row.features)
    if fault:
        return Result(external_id=row.external_id, status="invalid", error=fault)
    if all(map(isnan, values)):
        return Result(external_id=row.external_id, status="insufficient_data", error="no feature is known")
    return Plan("live", values, Known(score=Score(account_id=row.external_id), as_of=now))


def _what_if(live: Live, stored: Stored, found: Scored, row: WhatIf) -> Plan | Result:
    assert stored.run is not None
    names = [spec["name"] for spec in stored.model.about.get("features", ())] if stored.model else []
    if not found.features or len(names) != len(found.features):
        fault: str | None = "its inputs were not kept with the latest run; score again"
        return Result(external_id=row.external_id, status="invalid", error=fault)
    held = {name: value for name, value in zip(names, found.features, strict=True) if value is not None}
    usual = dict(zip(names, found.baseline or [None] * len(names), strict=True))
    before = [held.get(name, nan) for name in live.places]
    values = list(before)
    fault = _put(live, values, row.overrides)
    if fault:
        return Result(external_id=row.external_id, status="invalid", error=fault)
    known = Known(
        score=_to_be_told_anew(found.score),
        as_of=stored.run.as_of,
        baseline=[usual.get(name) for name in live.places],
        data_as_of=_data_as_of(found),
        value_rank=stored.ranks.get(row.external_id),
        facts=found.detail.get("facts") or {},
        held_out=why_held(found),
    )
    return Plan("what_if", values, known, before)


def _to_be_told_anew(score: Score) -> Score:
    """The account's score without what a what-if must not take over: since when it is so, and why."""
    plain = replace(score, changed_at=None, risk_level=None, driver=None, disagrees=None)
    return replace(plain, top_driver_1=None, top_driver_2=None, top_driver_3=None)


def _data_as_of(found: Scored) -> dict[str, datetime | None]:
    parts = found.detail.get("components") or {}
    return {name: datetime.fromisoformat(part["data_as_of"]) for name, part in parts.items() if part.get("data_as_of")}


def _put(live: Live, values: list[float], given: Mapping[str, Value]) -> str | None:
    """Put given values into a row; what is wrong with them, None if nothing is."""
    specs, places = live.specs, live.places
    for name, value in given.items():
        spec = specs.get(name)
        if spec is None:
            return f"{name[:100]} is not a feature of this model; GET /v1/catalogue lists them"
        if value is None:
            values[places[name]] = nan
        elif spec.categories:
            if value not in spec.categories:
                return f"{name} is one of {', '.join(spec.categories)[:500]}"
            values[places[name]] = float(spec.categories.index(str(value)))
        elif isinstance(value, str):
            return f"{name} is a number"
        else:
            values[places[name]] = float(value)
    return None
