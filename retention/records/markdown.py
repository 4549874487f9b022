"""A record as Markdown: every field of both templates (systems X3, X4), with its evidence log and version history."""

from collections.abc import Iterator, Sequence
from typing import Any

from retention.metrics import METRICS
from retention.records import document
from retention.records.compared import compared
from retention.records.deciding import Body
from retention.records.document import Document
from retention.records.lint import Finding
from retention.records.marks import UNKNOWN, between, day, plain, table, terms


def markdown(body: Body, history: Sequence[dict[str, Any]], findings: Sequence[Finding]) -> str:
    """The whole record.

    Args:
        body: its newest version.
        history: version, at, by, event, state, digest and happened of every version, oldest first.
        findings: what is wrong with it by now.
    """
    given = document.read(body["document"], "the stored record")
    parts = (
        _head(given, history, findings),
        _frame(given, body),
        compared(given, body),
        _commit(given, body, history),
        _log(given, body, history),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(given: Document, history: Sequence[dict[str, Any]], findings: Sequence[Finding]) -> Iterator[str]:
    last = history[-1]
    yield f"# {given.title}"
    yield ""
    yield f"`{given.id}`, version {last['version']}, **{last['state']}**. Owner: {given.frame.owner}."
    for reason in last["happened"].get("because", ()):
        yield f"\nRe-opened because {reason}."
    if findings:
        yield "\n## To mend\n"
        yield from (f"- {one.kind}: {one.text}" for one in findings)


def _frame(given: Document, body: Body) -> Iterator[str]:
    frame = given.frame
    yield "\n## Frame"
    yield from terms(
        ("Decision question", frame.question),
        ("Background", frame.background),
        ("Objective", frame.objective),
        ("Scope", frame.scope),
        ("Horizon", f"{frame.horizon_days} days"),
        ("Owner", frame.owner),
    )
    yield "\n### Success metrics and their baseline\n"
    yield from table(
        ("Metric", "Baseline", "95 % interval", "n", "Confidence", "As of", "Owner", "Definition", "Digest"),
        (
            (
                METRICS[name].title if name in METRICS else name,
                plain(held["value"]),
                between(held["low"], held["high"]),
                plain(held["n"]),
                held["confidence"],
                held["as_of"][:10],
                frame.metric_owners.get(name, given.commit.signal_owner),
                METRICS[name].definition if name in METRICS else UNKNOWN,
                body["locked"]["definitions"][name],
            )
            for name, held in body["locked"]["baseline"].items()
        ),
    )


def _commit(given: Document, body: Body, history: Sequence[dict[str, Any]]) -> Iterator[str]:
    commit, decided = given.commit, body["decided"]
    against = f" The criterion takes {decided['recommended']}." if decided["recommended"] != commit.selected else ""
    likely = ", ".join(f"{name} {share:.0%}" for name, share in commit.likelihood.model_dump().items())
    yield "\n## Commit"
    yield from terms(
        ("Decision criterion", f"{commit.criterion}; scenarios: {likely}"),
        ("Recommendation", decided["recommended"]),
        ("Selected", f"{commit.selected}. {commit.because}{against}"),
        ("Reversal signals", "; ".join(f"`{text}`" for text in commit.reversal_signals)),
        ("Who acts on them", commit.signal_owner),
        ("Stop rules", "; ".join(commit.stop_rules)),
        ("Monitoring cadence", commit.monitoring),
        ("Escalation", " → ".join(commit.escalation)),
        ("Approvals", "; ".join(commit.approvals)),
        ("Freshness", f"the newest report is at most {commit.freshness_days} days old"),
        ("Expires", "; ".join([f"on {body['schedule'][-1]['due']}", *commit.expires_when])),
    )
    held = {(one["happened"].get("review"), one["happened"].get("due")): one for one in history}
    yield "\n### Reviews, fixed with the decision\n"
    yield from table(
        ("Review", "Due", "Held", "Outcome", "Note"),
        (_review(one, held.get((one["kind"], one["due"]))) for one in body["schedule"]),
    )


def _review(planned: dict[str, str], held: dict[str, Any] | None) -> tuple[str, ...]:
    if held is None:
        return planned["kind"], planned["due"], "", "", ""
    told = held["happened"]
    return planned["kind"], planned["due"], f"{day(held['at'])} by {held['by']}", told["outcome"], told["note"]


def _log(given: Document, body: Body, history: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "\n## Evidence log\n"
    yield f"- Report as of {body['locked']['as_of'][:10]}; method {body['locked']['method']}"
    yield from (f"- {source}" for source in dict.fromkeys(one.source for one in given.compare.facts))
    yield from (f"- {one.name}: {one.source}, as of {one.as_of or UNKNOWN}" for one in given.compare.inputs)
    yield "\n## Version history\n"
    yield from table(
        ("Version", "At", "By", "Event", "State", "What", "Digest"),
        (
            (
                str(one["version"]),
                day(one["at"]),
                one["by"],
                one["event"],
                one["state"],
                in_words(one["happened"]),
                one["digest"][:12],
            )
            for one in history
        ),
    )


def in_words(happened: dict[str, Any]) -> str:
    """What happened at a version, in words; empty for the first."""
    parts = [happened.get("review", ""), happened.get("outcome", ""), happened.get("note", "")]
    parts += happened.get("because", [])
    if happened.get("changed"):
        parts.append("changed: " + ", ".join(happened["changed"]))
    return "; ".join(part for part in parts if part)
