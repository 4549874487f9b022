"""Decisions on accounts: accept, override or dismiss what is recommended, kept with their line in the audit log."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from serving.api.account_answers import DecisionAnswer, Decisions
from serving.api.accounts import decision_out, scored_now
from serving.api.asks import Decide
from serving.api.endpoint import Asked, Reply, reply
from serving.api.problems import Problem
from serving.store import audit, decisions
from serving.store.audit import Entry
from serving.store.decisions import Choosing


def list_decisions(asked: Asked) -> Reply:
    """GET /v1/accounts/{id}/decisions."""
    with asked.context.store.read() as db:
        scored, _, _ = scored_now(db, asked.path)
        found = decisions.history(db, scored.account_id)
    return reply(Decisions(request_id=asked.request_id, decisions=[decision_out(one) for one in found]))


def decide(asked: Asked, db: Connection) -> Reply:
    """POST /v1/accounts/{id}/decisions: recorded together with its line in the audit log."""
    context, ask = asked.context, asked.body
    scored, run, _ = scored_now(db, asked.path)
    _check(context.policy.plays, context.policy.tiers, ask)
    choosing = Choosing(
        account_id=scored.account_id,
        at=context.clock(),
        by=asked.caller.key.id,
        choice=ask.choice,
        play=ask.play,
        reason=ask.reason,
        values=ask.values.model_dump(exclude_none=True),
        run_id=run.id,
    )
    decided = decisions.decide(db, choosing)
    entry = Entry(
        at=choosing.at,
        action="decide",
        key_id=asked.caller.key.id,
        request_id=asked.request_id,
        subject=scored.account_id,
        detail={"choice": ask.choice, "play": ask.play, "decision": decided.id},
    )
    audit.record(db, [entry])
    return reply(DecisionAnswer(request_id=asked.request_id, decision=decision_out(decided)), 201)


def _check(plays: Mapping[str, Any], tiers: Mapping[str, Any], ask: Decide) -> None:
    """The policy knows what a decision names.

    Raises:
        Problem: 409.
    """
    if ask.play is not None and ask.play not in plays:
        raise Problem("not-in-policy", "play: the policy has no such play; GET /v1/plays lists them")
    if ask.values.tier is not None and ask.values.tier not in tiers:
        raise Problem("not-in-policy", f"values.tier: it is one of {', '.join(tiers)}")
