"""A run on its way into the store, a part of the book at a time, with its draws, warning signs, alerts and events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from sqlalchemy import Connection

from serving.assess import Assessed
from serving.delivery import Target, enqueue, scored_event
from serving.policy import Alert, AlertRun, WarningSign
from serving.store import alerts as alert_log
from serving.store import holdouts, runs, signs
from serving.store.bulk import AT_ONCE, Bound, execute
from serving.store.holdouts import Drawn
from serving.store.outbox import Event
from serving.store.runs import ModelVersion, NewRun
from serving.store.score_rows import Placed, bound_scores, ranks, read_scores
from serving.store.scores import Score
from serving.store.signs import Sign

Item = TypeVar("Item")


class Keeping:
    """A run being written in the caller's transaction: `add` what is `bound` of its parts, then `end` it.

    `written` says whether it is new; a run that was there already takes neither. A shadow tells nobody, and neither
    does a run of a day before the latest one.
    """

    def __init__(
        self, db: Connection, model: ModelVersion, run: NewRun, book: Sequence[Placed], targets: Mapping[str, Target]
    ) -> None:
        """Write down that there is such a run of such a book; `targets` are those who are told of it."""
        latest = runs.latest(db)
        self._is_told = not run.is_shadow and (latest is None or latest.as_of <= run.as_of)
        runs.put_model(db, model)
        self.written = runs.begin(db, run, book)
        self._db, self._run, self._targets, self._ranks = db, run, targets, ranks(book)
        self._open = signs.open_ids(db) if self._is_told else {}
        self._due: list[str] = []

    def bound(self, found: Assessed, drawn: Sequence[Drawn] = ()) -> list[Bound]:
        """What writes some of its accounts, with the draws and the new warning signs among them.

        An open sign that still holds keeps its deadline.
        """
        db = self._db
        scores = bound_scores(db, self.written.run.id, found.rows, self._ranks)
        if not self._is_told:
            return list(scores)
        due = [row.account_id for row in found.rows if found.is_due(row.account_id)]
        holding = (sign for account in due for sign in found.warnings.get(account, ()))
        new = [sign for sign in holding if self._open.pop((sign.account_id, sign.rule), None) is None]
        raised = (_sign(sign, self._run.as_of) for sign in new)
        self._due += due
        return [*scores, *holdouts.bound_draws(db, drawn), *signs.bound_signs(db, raised)]

    def add(self, ready: Sequence[Bound]) -> None:
        """Write what is bound."""
        for one in ready:
            execute(self._db, one)

    def end(self, alerts: AlertRun) -> None:
        """Close the signs that no longer hold, remember the alerts, and put what is told into the outbox.

        Signs of accounts that a watch run is not about stay as they are until their turn.
        """
        if not self._is_told:
            return
        alert_log.record(self._db, alerts)
        due = frozenset(self._due) if self._run.is_watch else None
        ended = [number for (account, _), number in self._open.items() if due is None or account in due]
        signs.close_all(self._db, ended, at=self._run.as_of, by="run")
        if self._targets:
            enqueue(self._db, chain(self._events(alerts.sent), self._mirrored()), self._targets)

    def _events(self, sent: Sequence[Alert]) -> Iterator[Event]:
        for some in _some(sent):
            scores = self._scores([alert.account_id for alert in some if alert.account_id])
            yield from (_event(alert, scores.get(alert.account_id or "")) for alert in some)

    def _mirrored(self) -> Iterator[Event]:
        for some in _some(self._due):
            scores = self._scores(some)
            yield from (scored_event(scores[account], self._run) for account in some)

    def _scores(self, accounts: Sequence[str]) -> dict[str, Score]:
        """As they were written, so that a whole book need not be held for those who are told of it."""
        return {score.account_id: score for score in read_scores(self._db, self.written.run.id, accounts)}


def _some(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _sign(sign: WarningSign, day: datetime) -> Sign:
    return Sign(
        account_id=sign.account_id,
        rule=sign.rule,
        at=day,
        severity=sign.severity,
        text=sign.text,
        response={"play": sign.play, "owner": sign.owner, "due_in_hours": sign.due_in_hours},
        due_at=day + timedelta(hours=sign.due_in_hours),
    )


def _event(alert: Alert, score: Score | None) -> Event:
    """What a receiver is told: the alert, the account as it stands, and how it stood before."""
    told = {name: value for name, value in asdict(alert).items() if name not in ("attributes", "previous_attributes")}
    return Event(
        kind=alert.kind,
        account_id=alert.account_id,
        body={
            "alert": told,
            "object": dict(alert.attributes) if score is None else asdict(score),
            "previous_attributes": dict(alert.previous_attributes),
        },
        created_at=alert.at,
        dedupe_key=f"{alert.key}@{alert.at:%Y-%m-%dT%H:%M}",
    )
