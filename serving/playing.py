"""Record plays that were carried out, with their line in the audit log, so that their effect can be measured."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from serving.errors import ServingError
from serving.policy import Policy
from serving.store import audit, decisions
from serving.store.audit import Entry
from serving.store.decisions import Doing, Intervention


def record(
    db: Connection, policy: Policy, doing: Doing, *, now: datetime, key_id: str | None, request_id: str | None = None
) -> Intervention:
    """Keep a play; what it cost is money, and an account that was held out is recorded as treated all the same.

    Raises:
        ServingError: the policy has no such play, it was carried out in the future, or its cost is negative.
    """
    if doing.play not in policy.plays:
        raise ServingError(f"the policy has no play {doing.play}; it has {', '.join(policy.plays)}")
    if doing.at > now:
        raise ServingError(f"a play is recorded when it was carried out; {doing.at:%Y-%m-%d %H:%M} lies ahead")
    if doing.cost is not None and doing.cost < 0:
        raise ServingError(f"a cost of {doing.cost} is negative; give what was spent")
    owner = doing.owner or policy.plays[doing.play].owner
    kept = decisions.intervene(db, replace(doing, owner=owner))
    told = {"play": kept.play, "at": f"{kept.at:%Y-%m-%dT%H:%M}", "arm": kept.arm}
    entry = Entry(
        at=now, action="record play", key_id=key_id, request_id=request_id, subject=doing.account_id, detail=told
    )
    audit.record(db, [entry])
    return kept
