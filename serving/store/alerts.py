"""The alerts of earlier runs, sent or held back, which cool-down and daily budget go by."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, func, or_, select

from serving.policy.news import Alert
from serving.policy.sending import AlertRun, PastAlert
from serving.store.bulk import insert_rows
from serving.store.records import columns, read
from serving.store.tables import alerts


def record(db: Connection, run: AlertRun) -> None:
    """Remember which alerts a run sent and which it held back."""
    insert_rows(db, alerts, chain(_rows(run.sent, is_sent=True), _rows(run.held_back, is_sent=False)))


def past(db: Connection, *, since: datetime) -> list[PastAlert]:
    """Alerts that were sent in [since, now], and whenever it was the last of each key: what still waits shows there."""
    last = select(func.max(alerts.c.id)).group_by(alerts.c.key)
    sent = alerts.c.is_sent & (alerts.c.at >= since)
    query = select(*columns(PastAlert, alerts)).where(or_(sent, alerts.c.id.in_(last)))
    return list(read(db, PastAlert, query.order_by(alerts.c.at, alerts.c.id)))


def _rows(told: Sequence[Alert], *, is_sent: bool) -> Iterator[dict[str, object]]:
    for one in told:
        about = {"key": one.key, "at": one.at, "account_id": one.account_id}
        yield {**about, "is_sent": is_sent, "is_urgent": one.is_urgent}
