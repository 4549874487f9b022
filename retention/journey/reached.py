"""When milestones were reached, by every stint as a customer: SQL over the sources as known at the moment."""

from features.declare import text_literal
from retention.inputs import Inputs
from retention.journey.ways import Milestone

NAMES = {"usage": "event", "touchpoints": "kind", "feedback": "kind", "invoices": "status", "interventions": "play"}
PERSON = "user_id"


def lacking(inputs: Inputs, milestone: Milestone) -> str | None:
    """What must be mapped before a milestone can be measured, in words; None when it can be."""
    needed = []
    if milestone.names or milestone.counted in ("names", "weeks"):
        needed.append(NAMES[milestone.source])
    if milestone.counted == "users":
        needed.append(PERSON)
    if milestone.counted == "weeks" and milestone.names_a_week == 1 and not milestone.names:
        needed = []
    if not _mapped(inputs, milestone.source):
        return f"no [sources.{milestone.source}] is mapped"
    missing = [column for column in needed if not inputs.has(milestone.source, column)]
    return f"`{missing[0]}` of [sources.{milestone.source}] is not mapped" if missing else None


def core_events(inputs: Inputs) -> list[str]:
    """The core features: those that retention.toml names, else the events most accounts used in the last 84 days."""
    named = inputs.house.journey.core_events
    if named or not inputs.has("usage", "event"):
        return list(named)
    found = inputs.rows(
        f"""SELECT event FROM known_usage r WHERE event IS NOT NULL AND r.at >= {inputs.moment} - INTERVAL 84 DAY
            GROUP BY event ORDER BY COUNT(DISTINCT account_id) DESC, COUNT(*) DESC, event
            LIMIT {inputs.house.journey.core_most_used}"""
    )
    return [str(event) for (event,) in found]


def reached(inputs: Inputs, milestone: Milestone, spans: str, core: list[str]) -> str:
    """SQL of the moments at which a milestone was reached: account_id, nth, reached_at; a stint without it has no row.

    Args:
        inputs: of the moment; the milestone must lack nothing.
        milestone: what is reached.
        spans: a table with account_id, nth, began_at, ended_at; rows in [began_at, ended_at) count.
        core: the core features, for milestones by week.
    """
    if milestone.counted == "weeks":
        weeks = weeks_of(milestone, _rows(inputs, milestone, spans, core))
        return f"""
            SELECT account_id, nth, MIN(reached_at) AS reached_at FROM (
                SELECT *, ROW_NUMBER() OVER (PARTITION BY account_id, nth, run ORDER BY week) AS in_run
                FROM ({_in_a_row(weeks)})) WHERE in_run = {milestone.at_least} GROUP BY account_id, nth"""
    rows = _rows(inputs, milestone, spans, [])
    if milestone.counted == "rows":
        rows = f"SELECT account_id, nth, r.at AS reached_at FROM ({rows}) r"
    else:
        rows = f"""SELECT account_id, nth, {_key(inputs, milestone)} AS counted, MIN(r.at) AS reached_at FROM ({rows}) r
                   GROUP BY account_id, nth, counted HAVING counted IS NOT NULL"""
    return f"""SELECT account_id, nth, reached_at FROM ({rows})
               QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id, nth ORDER BY reached_at) = {milestone.at_least}"""


def weeks_of(milestone: Milestone, rows: str) -> str:
    """Weeks in which enough different names were used: account_id, nth, week, and `reached_at`, when enough were."""
    firsts = f"""SELECT account_id, nth, CAST(DATE_TRUNC('week', r.at) AS DATE) AS week, name, MIN(r.at) AS reached_at
                 FROM ({rows}) r GROUP BY ALL"""
    return f"""SELECT account_id, nth, week, reached_at FROM ({firsts}) QUALIFY
               ROW_NUMBER() OVER (PARTITION BY account_id, nth, week ORDER BY reached_at) = {milestone.names_a_week}"""


def holding(inputs: Inputs, milestone: Milestone, spans: str, core: list[str]) -> str:
    """SQL of the stints in which a milestone by week holds now: in each of the last whole weeks. account_id, nth."""
    this_week = f"CAST(DATE_TRUNC('week', {inputs.moment}) AS DATE)"
    within = f"week < {this_week} AND week >= {this_week} - INTERVAL {7 * milestone.at_least} DAY"
    weeks = weeks_of(milestone, _rows(inputs, milestone, spans, core))
    return f"""SELECT account_id, nth FROM ({weeks}) WHERE {within}
               GROUP BY account_id, nth HAVING COUNT(*) = {milestone.at_least}"""


def _in_a_row(weeks: str) -> str:
    """Weeks with the number of their run: weeks that follow each other have the same."""
    nth_week = "ROW_NUMBER() OVER (PARTITION BY account_id, nth ORDER BY week)"
    return f"SELECT *, DATEDIFF('week', DATE '1970-01-05', week) - {nth_week} AS run FROM ({weeks})"


def _rows(inputs: Inputs, milestone: Milestone, spans: str, core: list[str]) -> str:
    name = f'r."{NAMES[milestone.source]}"'
    names = milestone.names or (core if milestone.names_a_week > 1 else ())
    where = f"AND {name} IN ({', '.join(map(text_literal, names))})" if names else ""
    if milestone.score_from is not None:
        where += f" AND r.score >= {milestone.score_from}"
    if milestone.counted == "weeks" and milestone.names_a_week == 1:
        name = "'any'"
    extra = {"usage": ", r.user_id, r.session_id", "feedback": ", r.user_id"}.get(milestone.source, "")
    return f"""SELECT s.account_id, s.nth, r.at, {name} AS name {extra}
               FROM {spans} s JOIN known_{milestone.source} r ON r.account_id = s.account_id
                    AND r.at >= s.began_at AND (s.ended_at IS NULL OR r.at < s.ended_at) {where}"""


def _key(inputs: Inputs, milestone: Milestone) -> str:
    day = "CAST(CAST(r.at AS DATE) AS VARCHAR)"
    visit = "session_id" if inputs.has("usage", "session_id") else day
    return {"users": "user_id", "names": "name", "days": day, "visits": visit}[milestone.counted]


def _mapped(inputs: Inputs, source: str) -> bool:
    return inputs.has(source) or (source == "interventions" and bool(inputs.rows("SELECT 1 FROM play_history LIMIT 1")))
