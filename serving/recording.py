"""Decision records and the store: written, reviewed, watched; each change with its line in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from retention.records import life
from retention.records.deciding import changed_method, measurements, replay
from retention.records.document import Document
from retention.records.life import Step
from retention.records.lint import Finding, lint
from retention.records.markdown import markdown
from retention.records.signals import Measurement
from serving.delivery.events import enqueue
from serving.delivery.targets import Target
from serving.errors import ServingError
from serving.store import audit, kept_records, reports
from serving.store.audit import Entry
from serving.store.kept_records import Version
from serving.store.outbox import Event

MOST_REPORTS = 60
"""As far back as signals look; a row of reports is rarely longer than two or three."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who changes a record and when; `key_id` and `request_id` where it came through the service."""

    by: str
    at: datetime
    key_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A record with its past and what is wrong with it by now."""

    versions: Sequence[Version]
    findings: Sequence[Finding]

    @property
    def now(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every version without its body, but with what happened at it."""
        return [
            {name: value for name, value in asdict(one).items() if name != "body"} | {"happened": one.body["happened"]}
            for one in self.versions
        ]

    @property
    def markdown(self) -> str:
        """The record as Markdown."""
        return markdown(self.now.body, self.history, self.findings)

    def as_json(self) -> dict[str, Any]:
        """The record for machines."""
        return {
            "id": self.now.id,
            "state": self.now.state,
            "version": self.now.version,
            **self.now.body,
            "history": self.history,
            "findings": [asdict(one) for one in self.findings],
        }


def create(db: Connection, given: Document, actor: Actor) -> Version:
    """Take a decision down.

    Raises:
        RetentionError: it is no decision record (see `deciding.decide`).
        ServingError: there is no report to take the baseline from, or a record of that id.
    """
    return _keep(db, given.id, life.create(given, latest_report(db), actor.at), actor)


def revise(db: Connection, given: Document, note: str, actor: Actor) -> Version:
    """Decide again under the same id (see `life.revise`)."""
    last = kept_records.known(db, given.id)[-1]
    step = life.revise(last.body, last.state, given, latest_report(db), actor.at, note)
    return _keep(db, given.id, step, actor)


def review(db: Connection, id_: str, kind: str, outcome: str, note: str, actor: Actor) -> Version:
    """Write down a review (see `life.review`)."""
    past = kept_records.known(db, id_)
    happened = [one.body["happened"] for one in past]
    newest = latest_report(db).as_of
    step = life.review(past[-1].body, happened, past[-1].state, kind, outcome, note, newest)
    return _keep(db, id_, step, actor)


def close(db: Connection, id_: str, note: str, actor: Actor, *, is_expired: bool = False) -> Version:
    """End a record (see `life.close`)."""
    last = kept_records.known(db, id_)[-1]
    return _keep(db, id_, life.close(last.body, last.state, note, is_expired=is_expired), actor)


def watch(db: Connection, targets: Mapping[str, Target], actor: Actor) -> list[Version]:
    """Hold every running record against the kept reports: the versions that follow, with their events in the outbox."""
    known, found = live_reports(db), []
    for last in kept_records.newest(db):
        step = life.watch(last.body, last.state, known, actor.at)
        if step is not None:
            new = _keep(db, last.id, step, actor)
            enqueue(db, [_event(new)], targets)
            found.append(new)
    return found


def show(db: Connection, id_: str, at: datetime) -> Shown:
    """A record as it stands.

    Raises:
        ServingError: there is none of that id.
    """
    past = kept_records.known(db, id_)
    newest = next(iter(live_reports(db, most=1)), None)
    happened = [one.body["happened"] for one in past]
    return Shown(versions=past, findings=lint(past[-1].body, happened, newest, at))


def replayed(db: Connection, id_: str) -> dict[str, Any]:
    """Decide again from what is stored: whether it is the same, what differs, and whether the method is another."""
    last = kept_records.known(db, id_)[-1]
    differs = replay(last.body)
    return {
        "id": id_,
        "version": last.version,
        "recommended": last.body["decided"]["recommended"],
        "same": not differs,
        "differs": differs,
        "method": changed_method(last.body),
    }


def latest_report(db: Connection) -> Measurement:
    """The newest kept report.

    Raises:
        ServingError: there is none.
    """
    found = live_reports(db, most=1)
    if not found:
        raise ServingError("the store holds no retention report to decide on; run `keepwell measure --store` first")
    return found[-1]


def live_reports(db: Connection, *, most: int = MOST_REPORTS) -> list[Measurement]:
    """The newest kept reports, one a moment, oldest first."""
    moments = reports.moments(db, reports.RETENTION)[-most:]
    kept = [reports.of(db, reports.RETENTION, moment) for moment in moments]
    return measurements([one.body for one in kept if one])


def _keep(db: Connection, id_: str, step: Step, actor: Actor) -> Version:
    new = kept_records.add(db, id_, step, at=actor.at, by=actor.by)
    detail = {"version": new.version, "state": new.state, "by": actor.by}
    entry = Entry(
        at=actor.at,
        action=f"record.{step.event}",
        key_id=actor.key_id,
        request_id=actor.request_id,
        subject=id_,
        detail=detail,
    )
    audit.record(db, [entry])
    return new


def _event(new: Version) -> Event:
    """What other systems are told of a record that a watch re-opened or ended."""
    given, happened = new.body["document"], new.body["happened"]
    reasons = happened.get("because") or [happened.get("note", "")]
    text = f"The decision {given['title']!r} ({new.id}) is {new.state}: {'; '.join(reasons)}"
    alert = {"text": text, "record": new.id, "state": new.state, "owner": given["frame"]["owner"]}
    return Event(
        kind="record_reopened" if new.event == "reopened" else "record_expired",
        account_id=None,
        body={"alert": alert},
        created_at=new.at,
        dedupe_key=f"record:{new.id}/{new.version}",
    )
