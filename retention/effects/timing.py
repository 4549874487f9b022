"""Whether plays come in time: proactive or reactive, first warning to first play, too late (systems P1, R13, G12)."""

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import Figure, median, share
from retention.inputs import Inputs

YEAR = 364
ALL, NOBODY = "all", "nobody"


def effort_split(inputs: Inputs) -> Block:
    """Proactive and reactive contacts, month by month, against the wanted split (systems P1)."""
    rules = inputs.house.programme
    found = inputs.engine.query(
        f"""SELECT DATE_TRUNC('month', a.at) AS month, COUNT(*) AS n, COUNT(*) FILTER (NOT is_answer) AS ahead
            FROM ({_activities(inputs)}) a GROUP BY month ORDER BY month"""
    ).to_pylist()
    told = [(row["month"], row["n"], share(row["ahead"], row["n"], fewest=rules.fewest)) for row in found]
    n = sum(row["n"] for row in found)
    whole = share(sum(row["ahead"] for row in found), n, fewest=rules.fewest)
    wanted = rules.proactive_share
    met = "not known" if whole.value is None else "kept" if whole.value >= wanted else "not kept"
    return Block(
        id="effort_split",
        title="Proactive and reactive contacts",
        systems=("P1",),
        says="Contacts and plays that we began by ourselves, over all. A contact is reactive when the customer made "
        f"it, or when it came within {rules.reactive_days:g} days after a ticket, a complaint, a notice or their own.",
        columns=(
            Column("month", "Month", "month"),
            Column("activities", "Contacts and plays", "count"),
            Column("proactive", "Proactive", "share", has_interval=True),
        ),
        rows=rows(told),
        chart=Chart("line", "month", ("proactive",)),
        notes=(
            f"Over all {n:,} it is {_percent(whole)} proactive; wanted are {100 * wanted:.0f} to "
            f"{100 * (1 - wanted):.0f}: {met}.",
        ),
    )


def _activities(inputs: Inputs) -> str:
    """Contacts of the last year and plays carried out: at, and whether each answers something."""
    cries = ["SELECT r.account_id, r.at FROM known_touchpoints r WHERE r.direction = 'inbound'"]
    if inputs.has("support"):
        cries.append("SELECT account_id, opened_at AS at FROM known_support")
    if inputs.has("feedback"):
        cries.append("SELECT r.account_id, r.at FROM known_feedback r WHERE r.kind = 'complaint'")
    if inputs.has("subscriptions", "cancelled_at"):
        cries.append("SELECT account_id, cancelled_at AS at FROM known_subscriptions WHERE cancelled_at IS NOT NULL")
    days = f"INTERVAL {round(inputs.house.programme.reactive_days * 24)} HOUR"
    return f"""
        SELECT a.at, a.is_inbound OR COALESCE(a.at <= c.at + {days}, FALSE) AS is_answer
        FROM (SELECT r.account_id, r.at, r.direction = 'inbound' AS is_inbound FROM known_touchpoints r
              WHERE r.direction IS NOT NULL
              UNION ALL SELECT r.account_id, r.at, FALSE FROM known_interventions r WHERE r.arm = 'treated') a
        ASOF LEFT JOIN ({" UNION ALL ".join(cries)}) c ON a.account_id = c.account_id AND a.at >= c.at
        WHERE a.at >= {inputs.moment} - INTERVAL {YEAR} DAY"""


def first_action(inputs: Inputs) -> Block:
    """Days from the first warning of a spell to the first play after it, by CSM (systems R13)."""
    days = inputs.house.programme.outcome_days
    by_owner: dict[str, list[tuple[float | None, float]]] = {}
    for row in inputs.engine.query(_spells(inputs)).to_pylist():
        for owner in (ALL, row["owner"] or NOBODY):
            by_owner.setdefault(owner, []).append((row["took"], row["so_far"]))
    order = sorted(by_owner, key=lambda owner: (owner != ALL, owner == NOBODY, owner))
    told = [(owner, *_waits(by_owner[owner])) for owner in order]
    return Block(
        id="first_action",
        title="First warning to first play",
        systems=("R13",),
        says=f"A spell begins with a warning sign after {days} days without one. Days until the first play after it; "
        "spells without one are counted apart, with how long they have waited. Held-out accounts are left out.",
        columns=(
            Column("owner", "CSM"),
            Column("days", "Days to the first play", "days", has_interval=True),
            Column("waiting", "Without a play", "count"),
            Column("waited", "Waiting for", "days", has_interval=True),
        ),
        rows=rows(told),
    )


def _spells(inputs: Inputs) -> str:
    """Each spell of warnings: the account's owner, days to the first play after it, days since it began."""
    gap = f"INTERVAL {inputs.house.programme.outcome_days} DAY"
    return f"""
        WITH owned AS (SELECT account_id, MAX(owner) AS owner FROM known_accounts GROUP BY account_id),
             warned AS (SELECT r.account_id, r.at, LAG(r.at) OVER (PARTITION BY r.account_id ORDER BY r.at) AS before
                        FROM (SELECT DISTINCT s.account_id, s.at FROM sign_history s) r),
             begun AS (SELECT r.account_id, r.at FROM warned r WHERE r.before IS NULL OR r.at > r.before + {gap})
        SELECT o.owner, CAST(DATEDIFF('MINUTE', b.at, p.at) / 1440.0 AS DOUBLE) AS took,
               CAST(DATEDIFF('MINUTE', b.at, {inputs.moment}) / 1440.0 AS DOUBLE) AS so_far
        FROM begun b LEFT JOIN owned o USING (account_id)
        ASOF LEFT JOIN (SELECT r.account_id, r.at FROM known_interventions r WHERE r.arm = 'treated') p
             ON b.account_id = p.account_id AND b.at <= p.at
        WHERE b.account_id NOT IN ({_held()})"""


def _waits(seen: list[tuple[float | None, float]]) -> tuple[Figure, int, Figure]:
    taken = np.array([took for took, _ in seen if took is not None], dtype=float)
    waiting = np.array([so_far for took, so_far in seen if took is None], dtype=float)
    return median(taken), len(waiting), median(waiting)


def too_late(inputs: Inputs) -> Block:
    """How often the first serious action came after the customer had decided (systems G12)."""
    lost = inputs.engine.query(_decided(inputs)).to_pylist()[0]
    warned = inputs.engine.query(_deadlines(inputs)).to_pylist()[0]
    told = [("lost accounts that got no play at all", lost["never"], lost["n"])]
    if inputs.has("subscriptions", "cancelled_at"):
        told.insert(0, ("lost accounts whose first play came after they had given notice", lost["late"], lost["n"]))
    if warned["n"]:
        told.append(("plays begun after the last deadline of the warnings before them", warned["late"], warned["n"]))
    fewest = inputs.house.programme.fewest
    return Block(
        id="too_late",
        title="Too late",
        systems=("G12",),
        says=f"Accounts lost by their own choice in the last {YEAR} days, with the plays of the "
        f"{inputs.house.programme.outcome_days} days before their notice (before the loss, where no notice is known) "
        "and up to the loss. Held-out accounts are left out.",
        columns=(Column("what", "What"), Column("share", "Share", "share", has_interval=True)),
        rows=rows((what, share(part, whole, fewest=fewest)) for what, part, whole in told if whole),
    )


def _decided(inputs: Inputs) -> str:
    """Accounts lost, those whose first play came after their notice, those without any."""
    notice = "CAST(NULL AS TIMESTAMP)"
    if inputs.has("subscriptions", "cancelled_at"):
        notice = """(SELECT MAX(t.cancelled_at) FROM known_subscriptions t
                     WHERE t.account_id = e.account_id AND t.cancelled_at <= e.at AND t.ended_at >= e.at)"""
    return f"""
        SELECT COUNT(*) AS n, COUNT(*) FILTER (first_at > decided_at) AS late,
               COUNT(*) FILTER (first_at IS NULL) AS never FROM (
            SELECT d.account_id, d.decided_at, MIN(p.at) AS first_at
            FROM (SELECT e.account_id, e.at, COALESCE({notice}, e.at) AS decided_at FROM churn_events e
                  WHERE e.intent = 'voluntary' AND e.at > {inputs.moment} - INTERVAL {YEAR} DAY
                    AND e.account_id NOT IN ({_held()})) d
            LEFT JOIN known_interventions p ON p.account_id = d.account_id AND p.arm = 'treated' AND p.at <= d.at
                 AND p.at > d.decided_at - INTERVAL {inputs.house.programme.outcome_days} DAY
            GROUP BY d.account_id, d.decided_at)"""


def _deadlines(inputs: Inputs) -> str:
    """Cases with an open warning before them, and those that began after the last of its deadlines."""
    return f"""
        SELECT COUNT(*) AS n, COUNT(*) FILTER (begun_at > due_at) AS late FROM (
            SELECT c.account_id, c.begun_at, MAX(s.due_at) AS due_at FROM play_cases c JOIN sign_history s
                 ON s.account_id = c.account_id AND s.at <= c.begun_at AND s.due_at IS NOT NULL
                 AND (s.closed_at IS NULL OR s.closed_at > c.begun_at)
                 AND s.at > c.begun_at - INTERVAL {inputs.house.programme.outcome_days} DAY
            WHERE c.is_treated GROUP BY c.account_id, c.begun_at)"""


def _held() -> str:
    return """SELECT account_id FROM holdout_history WHERE arm = 'holdout'
              UNION SELECT account_id FROM known_interventions WHERE arm = 'holdout'"""


def _percent(figure: Figure) -> str:
    return "not known to be" if figure.value is None else f"{100 * figure.value:.0f} %"
