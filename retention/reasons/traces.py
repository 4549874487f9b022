"""What the company's tables showed before a loss: each kind of trace, and when it could first be seen."""

from dataclasses import dataclass

from retention.inputs import Inputs
from retention.reasons import passive
from retention.silence import Threshold


@dataclass(frozen=True)
class Trace:
    """Rows of a source that speak of trouble; `where` is SQL over it, `clock` its column of when it happened."""

    title: str
    source: str
    clock: str
    where: str
    needs: str


TRACES = {
    "payment_failed": Trace("A payment failed", "invoices", "at", "r.status = 'failed'", "status"),
    "champion_left": Trace("The champion left", "touchpoints", "at", "r.kind = 'champion_left'", "kind"),
    "escalated": Trace("A ticket was escalated", "support", "opened_at", "r.escalations > 0", "escalations"),
    "reopened": Trace("A ticket was reopened", "support", "opened_at", "r.reopened > 0", "reopened"),
    "contract_inquiry": Trace(
        "They asked about the contract", "touchpoints", "at", "r.kind = 'contract_inquiry'", "kind"
    ),
    "detractor": Trace("A detractor answered", "feedback", "at", "r.kind = 'nps' AND r.score <= 6", "score"),
    "complaint": Trace("A complaint", "feedback", "at", "r.kind = 'complaint'", "kind"),
    "low_csat": Trace("Low satisfaction", "feedback", "at", "r.kind = 'csat' AND r.score <= 2", "score"),
    "stopped_using": Trace("They stopped using it", "passive_spells", "since", "TRUE", ""),
}
"""Kinds of trace by name."""


def make(inputs: Inputs) -> list[Threshold]:
    """Make the tables `loss_traces` and `stayer_traces`; returns the thresholds of silence, none without usage.

    Columns account_id, at, trace, seen_at.

    One row a kind of trace that could be seen within the look-back days before `at`, a loss or, for customers who
    stayed, the moment of the report. `seen_at` is the first time at which it had both happened and become known.
    A warning kept by Keepwell is a trace too: `warning W1`.
    """
    thresholds = passive.make(inputs) if inputs.has("usage") else []
    stayed = f"SELECT account_id, {inputs.moment} AS at FROM customer_spans WHERE ended_at IS NULL"
    inputs.engine.create("loss_traces", _seen(inputs, "SELECT c.account_id, c.at FROM churn_events c"))
    inputs.engine.create("stayer_traces", _seen(inputs, stayed))
    return thresholds


def measured(inputs: Inputs) -> tuple[str, ...]:
    """The kinds of trace that the company's data could show."""
    return tuple(
        name
        for name, trace in TRACES.items()
        if (inputs.has("usage") if name == "stopped_using" else inputs.has(trace.source, trace.needs))
    )


def lift(inputs: Inputs) -> dict[str, float]:
    """How many times as often each kind of trace came before a loss as at customers who stayed.

    Of shares of all losses and of all customers of the moment, with one case more in each so that none is infinite.
    """
    lost, stayed = (
        {str(trace): int(str(n)) for trace, n in inputs.rows(f"SELECT trace, COUNT(*) FROM {table} GROUP BY trace")}
        for table in ("loss_traces", "stayer_traces")
    )
    losses, stayers = (
        int(str(inputs.rows(query)[0][0]))
        for query in ("SELECT COUNT(*) FROM churn_events", "SELECT COUNT(*) FROM customer_spans WHERE ended_at IS NULL")
    )
    return {name: ((n + 1) / (losses + 1)) / ((stayed.get(name, 0) + 1) / (stayers + 1)) for name, n in lost.items()}


def title(trace: str) -> str:
    """A trace in words; a kept warning is told by its rule."""
    return TRACES[trace].title if trace in TRACES else trace


def _seen(inputs: Inputs, moments: str) -> str:
    parts = [_of_trace(inputs, name, moments) for name in measured(inputs)]
    parts.append(_first_seen(inputs, "'warning ' || r.rule", moments, "sign_history", "r.at", "TRUE"))
    return " UNION ALL ".join(parts)


def _of_trace(inputs: Inputs, name: str, moments: str) -> str:
    trace = TRACES[name]
    clock = f"r.{trace.clock}"
    seen = clock if trace.source == "passive_spells" else f"GREATEST({clock}, r.known_at)"
    return _first_seen(inputs, f"'{name}'", moments, trace.source, seen, trace.where)


def _first_seen(inputs: Inputs, name: str, moments: str, source: str, seen: str, where: str) -> str:
    """The first sight of one kind of trace within [at - look back, at)."""
    back = f"INTERVAL {inputs.house.reasons.look_back_days} DAY"
    return f"""
        SELECT e.account_id, e.at, {name} AS trace, MIN({seen}) AS seen_at
        FROM ({moments}) e JOIN {source} r ON r.account_id = e.account_id
             AND {seen} >= e.at - {back} AND {seen} < e.at AND {where}
        GROUP BY ALL"""
