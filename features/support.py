"""Support: how many tickets, how they went, and when silence is the signal."""

from functools import partial

from features.declare import DERIVED, Direction, Feature, count, mean, ratio, recency, total

COMPONENT = "support"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
OPEN, SETTLED, URGENT = "is_open = 1", "is_settled = 1", "priority IN ('high', 'urgent')"

tickets = partial(Feature, component=COMPONENT, scan="support", needs=("support.opened_at",))
derived = partial(Feature, component=COMPONENT, scan=DERIVED)


def features() -> list[Feature]:
    """Every support feature. Volume has no direction: both a spike and a silence can mean trouble."""
    return [*_volume(), *_backlog(), *_quality(), *_speed(), _silence()]


# A feature is a row of a table: first what it says, then its unit and how it is computed.
# fmt: off
def _volume() -> list[Feature]:
    usual = f"(CAST({count(364, 28)} AS DOUBLE) / 12)"
    return [
        *(tickets(f"tickets_{w}d", "volume", f"Tickets opened in the last {w} days",
                  "tickets", count(w), UNKNOWN, w, empty=0) for w in (28, 84, 364)),
        tickets("ticket_spike_28d", "spike", "Tickets of the last 28 days above the usual 28 of the year before, in sd",
                "sd", f"({count(28)} - {usual}) / SQRT(1 + {usual})", RISKIER, 364, empty=0),
        tickets("days_since_last_ticket", "volume", "Days since the last ticket was opened",
                "days", recency()),
    ]


def _backlog() -> list[Feature]:
    resolvable = partial(tickets, needs=("support.resolved_at",))
    return [
        resolvable("tickets_open", "backlog", "Tickets open now",
                   "tickets", f"SUM(CASE WHEN {OPEN} THEN 1 ELSE 0 END)", RISKIER, empty=0),
        resolvable("oldest_open_ticket_days", "backlog", "Age of the oldest open ticket",
                   "days", f"MAX(CASE WHEN {OPEN} THEN age ELSE 0 END)", RISKIER, empty=0),
    ]


def _quality() -> list[Feature]:
    return [
        tickets("tickets_urgent_84d", "severity", "High or urgent tickets opened in the last 84 days",
                "tickets", count(84, where=URGENT), RISKIER, 84, empty=0, needs=("support.priority",)),
        tickets("escalations_84d", "escalations", "Escalations of settled tickets opened in the last 84 days",
                "times", total("escalations", 84, where=SETTLED), RISKIER, 84, empty=0, needs=("support.escalations",)),
        tickets("reopened_84d", "reopened", "Times that settled tickets of the last 84 days were reopened",
                "times", total("reopened", 84, where=SETTLED), RISKIER, 84, empty=0, needs=("support.reopened",)),
        tickets("ticket_csat_mean_364d", "ticket csat", "Mean satisfaction with settled tickets of 364 days (1 to 5)",
                "points", mean("csat", 364, SETTLED), SAFER, 364, needs=("support.csat",)),
    ]


def _speed() -> list[Feature]:
    return [
        tickets("hours_to_first_response_84d", "speed", "Mean hours to a first response, tickets of the last 84 days",
                "hours", ratio(mean("response_minutes", 84), "60"), RISKIER, 84, needs=("support.first_response_at",)),
        tickets("hours_to_resolution_84d", "speed", "Mean hours to resolution, resolved tickets of the last 84 days",
                "hours", ratio(mean("resolution_minutes", 84), "60"), RISKIER, 84, needs=("support.resolved_at",)),
    ]


def _silence() -> Feature:
    quiet = "tickets_84d = 0 AND (6 * events_28d < events_84d OR events_84d = 0)"
    return derived(
        "support_silence", "silence", "No ticket for 84 days and usage below half its own average (1) or not (0)",
        "yes/no", f"CASE WHEN {quiet} THEN 1 ELSE 0 END", RISKIER, 84, needs=("support.opened_at", "usage.at"),
    )
