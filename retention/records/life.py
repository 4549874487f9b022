"""What becomes of a record: reviewed, revised, re-opened by its signals, expired, closed; nothing is overwritten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from retention.errors import RetentionError
from retention.records import document
from retention.records.deciding import Body, changed_definitions, decide, expires_at, signals_of
from retention.records.document import Document
from retention.records.signals import Measurement, tripped

State = Literal["open", "reopened", "closed", "expired"]
Event = Literal["created", "revised", "reviewed", "reopened", "closed"]

OUTCOMES: Mapping[str, Mapping[str, State]] = {
    "initial": {"confirmed": "open", "corrected": "reopened"},
    "operating": {"holds": "open", "drifts": "reopened"},
    "post": {"continue": "open", "adapt": "reopened", "stop": "closed"},
}
"""What each review may find (systems X2), and the state that the record is in then."""
OVER: tuple[State, ...] = ("closed", "expired")


@dataclass(frozen=True)
class Step:
    """The next version of a record."""

    event: Event
    state: State
    body: Body


def create(given: Document, report: Measurement, at: datetime) -> Step:
    """The first version."""
    return Step("created", "open", decide(given, report, at))


def revise(body: Body, state: State, given: Document, report: Measurement, at: datetime, note: str) -> Step:
    """Decide again, on today's definitions and baseline; the dates of the reviews stay as they were fixed.

    Raises:
        RetentionError: the record is over, nobody says why, nothing changed, or the reviews were moved.
    """
    _check_running(state)
    before, after = _flat(body["document"]), _flat(given.model_dump(mode="json"))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if moved := [name for name in changed if name.startswith("commit.reviews") or name == "frame.horizon_days"]:
        raise RetentionError(f"{', '.join(moved)}: reviews and horizon were fixed with the decision; make a new record")
    if not changed or not note.strip():
        raise RetentionError("a revision changes something and says why; give a note" if changed else "nothing changed")
    made = decide(given, report, at)
    kept = {"schedule": body["schedule"], "happened": {"note": note, "changed": changed}}
    return Step("revised", "open", made | kept)


def review(
    body: Body, past: Sequence[Mapping[str, Any]], state: State, kind: str, outcome: str, note: str, newest: datetime
) -> Step:
    """Write down what a review found; it counts for the earliest one of its kind that was not held yet.

    Args:
        body: the newest version.
        past: what all versions say happened.
        state: of the newest version.
        kind: initial, operating or post.
        outcome: one of OUTCOMES[kind].
        note: what was looked at, and why.
        newest: the moment of the newest report: signals count later ones from now on.

    Raises:
        RetentionError: the record is over, there is no such review or outcome, all of the kind were held, or no note.
    """
    _check_running(state)
    if kind not in OUTCOMES or outcome not in OUTCOMES[kind]:
        known = "; ".join(f"{name}: {', '.join(found)}" for name, found in OUTCOMES.items())
        raise RetentionError(f"there is no {kind} review that finds {outcome!r}; there are {known}")
    if not note.strip():
        raise RetentionError("a review says what was looked at; give a note")
    held = {(one.get("review"), one.get("due")) for one in past}
    due = [one["due"] for one in body["schedule"] if one["kind"] == kind and (kind, one["due"]) not in held]
    if not due:
        raise RetentionError(f"every {kind} review of this record was held; the schedule was fixed with the decision")
    happened = {"review": kind, "due": due[0], "outcome": outcome, "note": note}
    new = body | {"happened": happened, "seen_until": newest.isoformat()}
    return Step("reviewed", OUTCOMES[kind][outcome], new)


def close(body: Body, state: State, note: str, *, is_expired: bool = False) -> Step:
    """End a record: it was carried out or given up, or (`is_expired`) what it was decided on holds no more.

    Raises:
        RetentionError: it is over already, or nobody says why.
    """
    _check_running(state)
    if not note.strip():
        raise RetentionError("say why the record is closed; give a note")
    return Step("closed", "expired" if is_expired else "closed", body | {"happened": {"note": note}})


def watch(body: Body, state: State, reports: Sequence[Measurement], at: datetime) -> Step | None:
    """What the newest reports do to a record: a fired signal or a changed definition re-opens it, its date ends it.

    None where nothing happens: signals hold back, or it was re-opened already and waits for a review.

    Args:
        body: the newest version.
        state: of it.
        reports: kept reports, oldest first; those up to `seen_until` do not count.
        at: now, naive UTC.
    """
    if state in OVER:
        return None
    if at >= expires_at(body):
        due = body["schedule"][-1]["due"]
        return close(
            body, state, f"its horizon ended on {due}; what it was decided on may hold no more", is_expired=True
        )
    new = [report for report in reports if report.as_of > datetime.fromisoformat(body["seen_until"])]
    if state != "open" or not new:
        return None
    given = document.read(body["document"], "the stored record")
    fired = tripped(signals_of(given), new, body["locked"]["definitions"])
    reasons = [one.text for one in fired] + changed_definitions(body, new[-1].definitions)
    if not reasons:
        return None
    happened = {"signals": [one.signal.text for one in fired], "because": reasons, "report": new[-1].as_of.isoformat()}
    return Step("reopened", "reopened", body | {"happened": happened})


def _check_running(state: State) -> None:
    if state in OVER:
        raise RetentionError(f"the record is {state}; make a new one")


def _flat(value: object, at: str = "") -> dict[str, object]:
    match value:
        case dict():
            parts = [(f"{at}.{name}" if at else str(name), held) for name, held in value.items()]
        case list():
            parts = [(f"{at}.{i}", held) for i, held in enumerate(value)]
        case _:
            return {at: value}
    return {name: held for path, part in parts for name, held in _flat(part, path).items()}
