"""The alerts of earlier runs, sent or held back, which cool-down and daily budget go by."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select

from serving.policy.news import Alert
from serving.policy.sending import AlertRun, PastAlert
from serving.store.records import columns, read
from serving.store.tables import alerts


def record(db: Connection, run: AlertRun) -> None:
    """Remember which alerts a run sent and which it held back."""
    rows = [*_rows(run.sent, is_sent=True), *_rows(run.held_back, is_sent=False)]
    if rows:
        db.execute(insert(alerts), rows)


def past(db: Connection, *, since: datetime) -> list[PastAlert]:
    """Alerts with `at` in [since, now], and before that the last of each key: what still waits shows there."""
    last = select(func.max(alerts.c.id)).group_by(alerts.c.key)
    query = select(*columns(PastAlert, alerts)).where(or_(alerts.c.at >= since, alerts.c.id.in_(last)))
    return list(read(db, PastAlert, query.order_by(alerts.c.at, alerts.c.id)))


def _rows(told: Sequence[Alert], *, is_sent: bool) -> list[dict[str, object]]:
    return [
        {"key": one.key, "at": one.at, "account_id": one.account_id, "is_sent": is_sent, "is_urgent": one.is_urgent}
        for one in told
    ]
