"""What to do about each row that is asked for: compute it, give the stored score, or say why neither can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isnan, nan
from typing import Literal

from sqlalchemy import Connection

from serving.api.answers import Result
from serving.api.asks import Predict, PredictJob, Row, Value, WhatIf
from serving.api.context import Context
from serving.api.live import Known
from serving.api.models import Live
from serving.api.problems import Problem
from serving.api.since import Since, look_since
from serving.daily import is_inactive
from serving.holding import why_held
from serving.store import accounts, runs
from serving.store.runs import ModelVersion, Run
from serving.store.scores import Score, Scored

Given = Row | str | WhatIf


@dataclass(frozen=True)
class Stored:
    """What the store knows of the accounts asked for: as the latest run scored them, by which model, and news since."""

    run: Run | None = None
    model: ModelVersion | None = None
    accounts: Mapping[str, Scored] = field(default_factory=dict)
    ranks: Mapping[str, float | None] = field(default_factory=dict)
    since: Since | None = None


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
        changed = [row.external_id for row in given if isinstance(row, WhatIf) and row.overrides]
        return with_news(context, db, Stored(run, runs.model(db, run.model_version), found), changed)


def with_news(context: Context, db: Connection, stored: Stored, changed: Sequence[str] = ()) -> Stored:
    """With what came since the run, and the ranks by value of accounts to score anew: `changed`, or with news."""
    assert stored.run is not None
    since = look_since(db, stored.run, list(stored.accounts), context.clock())
    values = {id_: stored.accounts[id_].score.yearly_value for id_ in {*changed, *since.new} if id_ in stored.accounts}
    ranks = {id_: context.ranks.of(db, stored.run.id, value) for id_, value in values.items()}
    return replace(stored, ranks=ranks, since=since)


def planned(
    live: Live | None, stored: Stored, fresh: Mapping[str, list[float]], row: Given, now: datetime
) -> Plan | Scored | Result:
    """What to do about a row: compute it, give the stored score, or say why neither can be done.

    `fresh` holds the inputs of now of accounts with news.
    """
    if isinstance(row, Row):
        return _features(needed(live), row, now)
    external_id = row if isinstance(row, str) else row.external_id
    found = stored.accounts.get(external_id)
    if found is None:
        return Result(external_id=external_id, status="not_found", error="the latest run did not score such an account")
    inputs = fresh.get(external_id)
    if isinstance(row, WhatIf) and row.overrides:
        return _what_if(needed(live), stored, found, inputs, row)
    return found if inputs is None else Plan("live", inputs, _known_now(needed(live), stored, found, inputs))


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


def _what_if(live: Live, stored: Stored, found: Scored, inputs: list[float] | None, row: WhatIf) -> Plan | Result:
    """On the inputs of now where there is news (`inputs`), else on those that the run kept."""
    names = _names(stored)
    if inputs is None and (not found.features or len(names) != len(found.features)):
        fault: str | None = "its inputs were not kept with the latest run; score again"
        return Result(external_id=row.external_id, status="invalid", error=fault)
    known = _known_then(live, stored, found) if inputs is None else _known_now(live, stored, found, inputs)
    before = _in_order(live, names, found.features) if inputs is None else inputs
    values = list(before)
    fault = _put(live, values, row.overrides)
    if fault:
        return Result(external_id=row.external_id, status="invalid", error=fault)
    return Plan("what_if", values, known, before)


def _names(stored: Stored) -> list[str]:
    """The features of the model that scored the run, in the order of the inputs that it kept."""
    return [spec["name"] for spec in stored.model.about.get("features", ())] if stored.model else []


def _in_order(live: Live, names: Sequence[str], values: Sequence[float | None] | None) -> list[float]:
    """Kept values in the order of the live model; NaN where not known."""
    held = dict(zip(names, values or [None] * len(names), strict=True))
    return [nan if (value := held.get(name)) is None else value for name in live.places]


def _known_then(live: Live, stored: Stored, found: Scored) -> Known:
    """What the run knew of the account."""
    assert stored.run is not None
    usual = _in_order(live, _names(stored), found.baseline)
    return Known(
        score=_to_be_told_anew(found.score),
        as_of=stored.run.as_of,
        baseline=[None if isnan(value) else value for value in usual],
        data_as_of=_data_as_of(found),
        value_rank=stored.ranks.get(found.account_id),
        facts=found.detail.get("facts") or {},
        held_out=why_held(found),
    )


def _known_now(live: Live, stored: Stored, found: Scored, inputs: Sequence[float]) -> Known:
    """The same as of the next midnight: the run is what was before, and what was told and posted since is known."""
    assert stored.since is not None
    then, since, account = _known_then(live, stored, found), stored.since, found.account_id
    days = inputs[live.places["days_since_last_use"]] if "days_since_last_use" in live.places else None
    unseen = days is None or isnan(days)
    silent = None if days is None else is_inactive(live.bundle, found.score.segment, None if unseen else days)
    score = replace(
        then.score, previous_health=found.score.health_score, previous_tier=found.score.tier, inactive=silent
    )
    newest = max(event.at for event in since.events[account])
    of_run = then.data_as_of or {}
    usage = max((at for at in (of_run.get("usage"), newest) if at is not None), default=None)
    return replace(
        then, score=score, as_of=since.at, data_as_of={**of_run, "usage": usage}, facts=since.facts.get(account, {})
    )


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
