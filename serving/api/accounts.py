"""Accounts as the latest run scored them: a list, one, its history, its explanation, and decisions on it."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection

from serving.api.account_answers import (
    AccountAnswer,
    AccountPage,
    DecisionOut,
    DriverOut,
    ExplanationAnswer,
    HistoryAnswer,
    PastScore,
)
from serving.api.answers import Result
from serving.api.asks import MOST_FACTORS, ListAccounts
from serving.api.context import Context
from serving.api.endpoint import Asked, Reply, reply
from serving.api.origin import age_of, setting_of, stored_model
from serving.api.planning import Stored, with_news
from serving.api.predict import results
from serving.api.problems import Problem
from serving.api.results import components_of, line_of, result_of
from serving.calibration import sigmoid
from serving.errors import ServingError
from serving.reasons import shared_points
from serving.store import accounts, decisions, runs
from serving.store.accounts import Filters
from serving.store.decisions import Decision
from serving.store.failures import StoreUnavailable
from serving.store.runs import ModelVersion, Run
from serving.store.scores import Scored

INSTANT = timedelta(microseconds=1)
"""The store's resolution: what is before t + INSTANT is at t or before."""


def list_accounts(asked: Asked) -> Reply:
    """GET /v1/accounts."""
    ask: ListAccounts = asked.query
    with asked.context.store.read() as db:
        run = runs.latest(db)
        try:
            page = accounts.page(db, _filters(ask, run), sort=ask.sort, limit=ask.limit, cursor=ask.cursor)
        except StoreUnavailable:
            raise
        except ServingError as error:
            raise Problem("no-such-page", str(error)) from None
    return reply(
        AccountPage(
            request_id=asked.request_id,
            accounts=[line_of(score, age_of(asked.context, run)) for score in page.accounts] if page and run else [],
            cursor=page.cursor if page else None,
            as_of=run.as_of if run else None,
        )
    )


def one_account(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}."""
    with asked.context.store.read() as db:
        scored, run, model = scored_now(db, asked.path)
        decision = decisions.current(db, scored.account_id)
        stored = with_news(asked.context, db, Stored(run, model, {scored.account_id: scored}))
    return reply(
        AccountAnswer(
            request_id=asked.request_id,
            model=stored_model(asked.context, run, model),
            account=result_of(scored, setting_of(asked.context, run, model), "stored"),
            now=score_now(asked.context, stored, scored.account_id),
            decision=decision_out(decision) if decision else None,
        )
    )


def score_now(context: Context, stored: Stored, account_id: str) -> Result | None:
    """The account's score with the events posted since; None where there are none, or they cannot be counted."""
    if stored.since is None or not stored.since.new:
        return None
    found = results(context, context.models.current, stored, [account_id], factors=MOST_FACTORS, explain=True)[0]
    return found if found.source == "live" else None


def history(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/history."""
    account_id = asked.path["account_id"]
    with asked.context.store.read() as db:
        run = runs.latest(db)
        since = run.as_of - timedelta(days=asked.query.days) if run else None
        found = accounts.history(db, account_id, since=since)
        if not found and not accounts.history(db, account_id):
            raise Problem("not-found", "no run has scored such an account")
    past = [
        PastScore(
            as_of=one.as_of,
            scored_at=one.scored_at,
            model_version=one.model_version,
            health_score=one.score.health_score,
            tier=one.score.tier,
            risk_level=one.score.risk_level,
            churn_probability=one.score.churn_probability,
            at_risk_value=one.score.value_at_risk,
        )
        for one in found
    ]
    return reply(HistoryAnswer(request_id=asked.request_id, external_id=account_id, history=past))


def explanation(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/explanation: all drivers, the strongest first, and all components."""
    with asked.context.store.read() as db:
        scored, run, _ = scored_now(db, asked.path)
    score = scored.score
    return reply(
        ExplanationAnswer(
            request_id=asked.request_id,
            external_id=score.account_id,
            model_version=run.model_version,
            as_of=run.as_of,
            churn_probability=score.churn_probability,
            log_odds=score.log_odds,
            intercept=score.intercept,
            drivers=_drivers(scored),
            health_score=score.health_score,
            components=components_of(scored.detail),
        )
    )


def scored_now(db: Connection, path: Mapping[str, str]) -> tuple[Scored, Run, ModelVersion | None]:
    """The account that the address names, its run and its model.

    Raises:
        Problem: 404, the latest run did not score it.
    """
    run = runs.latest(db)
    scored = accounts.account(db, path["account_id"]) if run else None
    if run is None or scored is None:
        raise Problem("not-found", "the latest run did not score such an account")
    return scored, run, runs.model(db, run.model_version)


def _filters(ask: ListAccounts, run: Run | None) -> Filters:
    within = ask.renewal_within_days
    is_asked = within is not None and run is not None
    return Filters(
        tier=ask.tier,
        segment=ask.segment,
        owner=ask.owner,
        driver=ask.driver,
        risk_level=ask.risk_level,
        renews_from=run.as_of if is_asked and run else None,
        renews_before=run.as_of + timedelta(days=within or 0) + INSTANT if is_asked and run else None,
        disagrees=ask.disagrees,
        search=ask.q,
    )


def _drivers(scored: Scored) -> list[DriverOut]:
    score, told = scored.score, scored.detail.get("drivers") or []
    if score.intercept is None or score.churn_probability is None:
        return []
    parts = [driver["log_odds"] for driver in told]
    points = shared_points(parts, float(sigmoid(score.intercept)), score.churn_probability)
    found = [DriverOut(**driver, contribution_pp=pp) for driver, pp in zip(told, points, strict=True)]
    return sorted(found, key=lambda driver: -abs(driver.log_odds))


def decision_out(one: Decision) -> DecisionOut:
    """A kept decision as it is answered."""
    return DecisionOut(
        id=one.id,
        external_id=one.account_id,
        at=one.at,
        by=one.by,
        choice=one.choice,
        play=one.play,
        reason=one.reason,
        values=one.values,
        supersedes=one.supersedes,
    )
