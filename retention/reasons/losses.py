"""Each loss with its reasons, of three kinds that are never mixed: stated, inferred, and found by a post-mortem."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from retention.inputs import Inputs
from retention.reasons import traces
from retention.reasons.causes import FOUND, Root, Vocabulary

Evidence = Literal["score", "trace", "topic"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A customer lost at a moment.

    `stated` is what they or their contract said; `inferred` what scores, tables and tickets showed before the loss,
    and `evidence` which of them; `found` what a person concluded afterwards, and `learned` what they noted. None where
    nothing is known. `told_preventable` is a person's word. `yearly_value` is the recurring money lost a year.
    """

    account_id: str
    at: datetime
    began_at: datetime
    segment: str | None = None
    intent: str = "voluntary"
    told_preventable: bool | None = None
    yearly_value: float | None = None
    reason: str | None = None
    stated: Root | None = None
    inferred: Root | None = None
    evidence: Evidence | None = None
    found: Root | None = None
    learned: str | None = None
    returned_at: datetime | None = None

    @property
    def root(self) -> Root | None:
        """The root cause: as found, else as stated, else as inferred; None where nothing is known."""
        return self.found or self.stated or self.inferred

    @property
    def basis(self) -> str:
        """Which of the three the root cause is from."""
        return "found" if self.found else "stated" if self.stated else "inferred" if self.inferred else "unknown"

    def is_preventable(self, words: Vocabulary) -> bool | None:
        """As a person told, else as its root cause has it; None where neither is known."""
        if self.told_preventable is not None:
            return self.told_preventable
        return None if self.root is None else words.preventable(self.root)


def read(inputs: Inputs, words: Vocabulary) -> list[Loss]:
    """Every loss known at the moment of the report, oldest first. Needs `loss_traces`."""
    found, inferred = _found(inputs, words), _inferred(inputs, words)
    rows = inputs.engine.query(
        """SELECT e.account_id, e.at, e.began_at, e.returned_at, e.intent, e.reason, a.segment,
                  e.preventable AS told_preventable, e.monthly_cents * 12 / 100.0 AS yearly_value
           FROM churn_events e LEFT JOIN known_accounts a ON a.account_id = e.account_id
           ORDER BY e.at, e.account_id"""
    ).to_pylist()
    losses = []
    for row in rows:
        key = (row["account_id"], row["at"])
        root, evidence = inferred.get(key, (None, None))
        known, learned = found.get(key, (None, None))
        stated = words.of_text(row["reason"])
        losses.append(Loss(**row, stated=stated, inferred=root, evidence=evidence, found=known, learned=learned))
    return losses


def lately(inputs: Inputs, losses: Iterable[Loss]) -> list[Loss]:
    """The losses of the report's period: (as_of - period_days, as_of]."""
    since = inputs.as_of - timedelta(days=inputs.house.reasons.period_days)
    return [loss for loss in losses if loss.at > since]


Key = tuple[str, datetime]


def _found(inputs: Inputs, words: Vocabulary) -> dict[Key, tuple[Root, str | None]]:
    """The newest cause that a post-mortem named after each loss and before the account's next one, and its note."""
    rows = _rows(
        inputs,
        f"""SELECT e.account_id, e.at, c.item, c.note
            FROM churn_events e JOIN check_history c ON c.account_id = e.account_id AND c.is_done AND c.at >= e.at
                 AND starts_with(c.item, '{FOUND}')
            WHERE NOT EXISTS (SELECT 1 FROM churn_events n
                              WHERE n.account_id = e.account_id AND n.at > e.at AND n.at <= c.at)
            ORDER BY c.at, c.id NULLS FIRST, c.item""",
    )
    return {(row["account_id"], row["at"]): (words.named(row["item"].removeprefix(FOUND)), row["note"]) for row in rows}


def _inferred(inputs: Inputs, words: Vocabulary) -> dict[Key, tuple[Root, Evidence]]:
    """What was to be seen before each loss, the surest evidence first.

    The driver of the last kept score; else the trace that tells lost customers best from those who stayed; else the
    cause that most of the tickets' topics speak for.
    """
    found: dict[Key, tuple[Root, Evidence]] = {}
    sources: tuple[tuple[Evidence, dict[Key, Root]], ...] = (
        ("topic", _by_topic(inputs, words)),
        ("trace", _by_trace(inputs, words)),
        ("score", _by_driver(inputs, words)),
    )
    for evidence, roots in sources:
        found |= {key: (root, evidence) for key, root in roots.items()}
    return found


def _by_driver(inputs: Inputs, words: Vocabulary) -> dict[Key, Root]:
    back = f"INTERVAL {inputs.house.reasons.look_back_days} DAY"
    rows = _rows(
        inputs,
        f"""SELECT e.account_id, e.at, ARG_MAX(s.driver, s.as_of) AS driver
            FROM churn_events e JOIN score_history s ON s.account_id = e.account_id
                 AND s.as_of < e.at AND s.as_of >= e.at - {back} AND s.driver IS NOT NULL
            GROUP BY ALL""",
    )
    return _known((row, words.of_driver(row["driver"])) for row in rows)


def _by_trace(inputs: Inputs, words: Vocabulary) -> dict[Key, Root]:
    """Of the traces before a loss the one with the highest lift; those that stayers have as often tell nothing."""
    lift = traces.lift(inputs)
    rows = _rows(inputs, "SELECT t.account_id, t.at, t.trace FROM loss_traces t")
    rows = [row for row in rows if lift.get(row["trace"], 0.0) > 1]
    rows.sort(key=lambda row: (lift[row["trace"]], row["trace"]))
    return _known((row, words.of_trace(row["trace"])) for row in rows)


def _by_topic(inputs: Inputs, words: Vocabulary) -> dict[Key, Root]:
    if not inputs.has("support", "topic"):
        return {}
    back = f"INTERVAL {inputs.house.reasons.look_back_days} DAY"
    rows = _rows(
        inputs,
        f"""SELECT e.account_id, e.at, r.topic, COUNT(*) AS tickets
            FROM churn_events e JOIN known_support r ON r.account_id = e.account_id AND r.topic IS NOT NULL
                 AND r.opened_at < e.at AND r.opened_at >= e.at - {back}
            GROUP BY ALL ORDER BY ALL""",
    )
    counted: dict[Key, Counter[Root]] = {}
    for row in rows:
        if root := words.of_text(row["topic"]):
            counted.setdefault((row["account_id"], row["at"]), Counter())[root] += row["tickets"]
    return {key: count.most_common(1)[0][0] for key, count in counted.items()}


def _known(pairs: Iterable[tuple[dict[str, Any], Root | None]]) -> dict[Key, Root]:
    return {(row["account_id"], row["at"]): root for row, root in pairs if root}


def _rows(inputs: Inputs, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = inputs.engine.query(sql).to_pylist()
    return rows
