"""Whether anybody answers them: loops closed, deadlines kept, tickets responded to and resolved."""

from retention.blocks import Block, Chart, Column, rows
from retention.figures import mean, median, numbers, share
from retention.inputs import Inputs
from retention.voice.scores import CLASS, NPS

WATCH_DAYS = 28
"""A loop counts as closed when somebody turned to the account within so many days of the answer."""
RECENT_DAYS = 364

ACTIONS = """
    SELECT r.account_id, r.at FROM known_touchpoints r WHERE COALESCE(direction, 'outbound') = 'outbound'
    UNION ALL SELECT r.account_id, r.at FROM known_interventions r WHERE arm = 'treated'
    UNION ALL SELECT r.account_id, r.at FROM decision_history r WHERE choice <> 'dismiss'"""
"""What counts as turning to an account: a contact of ours, a play carried out, a decision taken."""


def loops(inputs: Inputs) -> Block:
    """Detractors and passives that somebody turned to, and how soon (systems A7)."""
    closed = f"{inputs.moment} - INTERVAL {WATCH_DAYS} DAY"
    found = inputs.rows(
        f"""WITH asked AS (
                SELECT r.account_id, r.at, {CLASS} AS class FROM known_feedback r
                WHERE {NPS} AND score <= 8 AND r.at < {closed}
                  AND r.at >= {inputs.moment} - INTERVAL {RECENT_DAYS} DAY),
            answered AS (
                SELECT k.account_id, k.at, k.class, MIN(t.at) AS acted_at
                FROM asked k LEFT JOIN ({ACTIONS}) t ON t.account_id = k.account_id
                     AND t.at > k.at AND t.at <= k.at + INTERVAL {WATCH_DAYS} DAY
                GROUP BY ALL)
            SELECT class, COUNT(acted_at), COUNT(*),
                   LIST(DATEDIFF('minute', a.at, acted_at) / 60.0) FILTER (acted_at IS NOT NULL)
            FROM answered a GROUP BY class ORDER BY class"""
    )
    return Block(
        id="loops",
        title="Loops closed",
        systems=("A7",),
        says=f"Answers of 0-8 in the last {RECENT_DAYS} days that are at least {WATCH_DAYS} days old: the share "
        f"whose account got a contact, a play or a decision of ours within {WATCH_DAYS} days, and the hours "
        "until then. It does not tell whether that contact was about the answer.",
        columns=(
            Column("class", "Who answered"),
            Column("closed", "Closed", "share", has_interval=True),
            Column("hours", "Hours until then, median", "hours", has_interval=True),
        ),
        rows=rows((who, share(_int(n), _int(of)), median(numbers(hours))) for who, n, of, hours in found),
    )


def deadlines(inputs: Inputs) -> Block:
    """Warnings with a deadline by owner: kept, broken, still open (systems A6, W14)."""
    found = inputs.rows(
        f"""SELECT owner, COUNT(*) FILTER (first_at <= due_at),
                   COUNT(*) FILTER (due_at <= {inputs.moment} OR first_at IS NOT NULL),
                   COUNT(*) FILTER (is_late), COUNT(*) FILTER (first_at IS NULL AND due_at > {inputs.moment})
            FROM ({_answered(inputs)}) GROUP BY owner ORDER BY COUNT(*) FILTER (is_late) DESC, owner"""
    )
    return Block(
        id="deadlines",
        title="Deadlines of warnings, by owner",
        systems=("A6", "W14"),
        says="Warning signs raised in Keepwell whose deadline has passed or that were answered: the share answered "
        "in time. A sign is answered by the first contact, play or decision after it, or when a person closes "
        "it; a sign that went away by itself before its deadline is left out. Waiting: open, with time left.",
        columns=(
            Column("owner", "Owner of the account"),
            Column("kept", "Answered in time", "share", has_interval=True),
            Column("late", "Broken", "count"),
            Column("waiting", "Waiting", "count"),
        ),
        rows=rows((who, share(_int(kept), _int(of)), late, waiting) for who, kept, of, late, waiting in found),
    )


def breaches(inputs: Inputs) -> Block:
    """The open deadlines that were broken, the oldest first (systems A6, W14)."""
    found = inputs.rows(
        f"""SELECT account_id, owner, rule, text, due_at, DATEDIFF('hour', due_at, {inputs.moment})
            FROM ({_answered(inputs)}) WHERE first_at IS NULL AND is_late ORDER BY due_at, account_id, rule"""
    )
    return Block(
        id="breaches",
        title="Deadlines that were broken and still wait",
        systems=("A6", "W14"),
        says="Open warning signs past their deadline with no contact, play or decision since.",
        columns=(
            Column("account_id", "Account"),
            Column("owner", "Owner"),
            Column("rule", "Warning"),
            Column("text", "What was seen"),
            Column("due_at", "Was due", "day"),
            Column("hours_late", "Hours late", "hours"),
        ),
        rows=rows(found),
        account="account_id",
    )


def tickets(inputs: Inputs) -> Block:
    """Support by quarter: first response, resolution, satisfaction, backlog (systems A6, R18)."""
    found = inputs.rows(
        f"""SELECT DATE_TRUNC('quarter', opened_at) AS quarter, COUNT(*),
                   LIST({_hours("first_response_at")}) FILTER (first_response_at <= {inputs.moment}),
                   LIST({_hours("resolved_at")}) FILTER (resolved_at <= {inputs.moment}),
                   COUNT(*) FILTER (escalations > 0), LIST(CAST(csat AS DOUBLE)) FILTER (csat IS NOT NULL),
                   COUNT(*) FILTER (resolved_at IS NULL OR resolved_at > {inputs.moment})
            FROM known_support GROUP BY ALL ORDER BY quarter"""
    )
    told = [
        (
            quarter,
            n,
            median(numbers(first)),
            median(numbers(done)),
            share(_int(hot), _int(n)),
            mean(numbers(csat)),
            still,
        )
        for quarter, n, first, done, hot, csat, still in found
    ]
    return Block(
        id="tickets",
        title="Support by quarter",
        systems=("A6", "R18", "X23"),
        says="Tickets by the quarter in which they were opened: hours until the first response and until resolved "
        "(medians over those that were), share escalated, satisfaction from 1 to 5, and how many are open "
        "today.",
        columns=(
            Column("quarter", "Quarter", "month"),
            Column("tickets", "Tickets", "count"),
            Column("first_response", "First response", "hours", has_interval=True),
            Column("resolution", "Resolved after", "hours", has_interval=True),
            Column("escalated", "Escalated", "share", has_interval=True),
            Column("csat", "CSAT", "number", has_interval=True),
            Column("open", "Open today", "count"),
        ),
        rows=rows(told),
        chart=Chart("line", "quarter", ("csat",)),
    )


def _answered(inputs: Inputs) -> str:
    """Warning signs with who owns the account, when they were first answered, and whether that is late."""
    return f"""
        SELECT s.account_id, COALESCE(a.owner, '(nobody)') AS owner, s.rule, s.text, s.due_at,
               LEAST(MIN(t.at), MIN(CASE WHEN s.closed_by <> 'run' THEN s.closed_at END)) AS first_at,
               COALESCE(LEAST(MIN(t.at), MIN(CASE WHEN s.closed_by <> 'run' THEN s.closed_at END)) > s.due_at,
                        s.due_at <= {inputs.moment}) AS is_late
        FROM sign_history s LEFT JOIN known_accounts a ON a.account_id = s.account_id
        LEFT JOIN ({ACTIONS}) t ON t.account_id = s.account_id AND t.at > s.at
        WHERE s.due_at IS NOT NULL
        GROUP BY s.account_id, a.owner, s.rule, s.text, s.at, s.due_at, s.closed_at, s.closed_by
        HAVING MIN(t.at) IS NOT NULL OR (s.closed_by = 'run' AND s.closed_at <= s.due_at) IS NOT TRUE"""


def _hours(until: str) -> str:
    return f"DATEDIFF('minute', opened_at, {until}) / 60.0"


def _int(value: object) -> int:
    return int(str(value))
