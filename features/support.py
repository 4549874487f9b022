"""Support: how many tickets, how they went, and when silence is the signal."""

from functools import partial

from features.declare import DERIVED, Direction, Feature, count, mean, ratio, recency, total

COMPONENT = "support"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
OPEN = "is_open = 1"
SETTLED = "is_settled = 1"

tickets = partial(Feature, component=COMPONENT, scan="support", needs=("support.opened_at",))
derived = partial(Feature, component=COMPONENT, scan=DERIVED)


def features() -> list[Feature]:
    """Every support feature. Volume has no direction: both a spike and a silence can mean trouble."""
    return [*_volume(), *_quality(), *_speed(), _silence()]


def _volume() -> list[Feature]:
    month = "(CAST(" + count(364, 28) + " AS DOUBLE) / 12)"
    return [
        *(
            tickets(f"tickets_{w}d", "volume", f"Tickets opened in the last {w} days", "tickets", count(w), UNKNOWN, w, empty=0)
            for w in (28, 84, 364)
        ),
        tickets(
            "ticket_spike_28d", "spike", "Tickets of the last 28 days above the account's own usual, in standard deviations", "sd",
            f"({count(28)} - {month}) / SQRT(1 + {month})", RISKIER, 364, empty=0,
        ),
        tickets("days_since_last_ticket", "volume", "Days since the last ticket was opened", "days", recency()),
    ]


def _quality() -> list[Feature]:
    urgent = "priority IN ('high', 'urgent')"
    return [
        tickets("tickets_open", "backlog", "Tickets open now", "tickets", f"SUM(CASE WHEN {OPEN} THEN 1 ELSE 0 END)", RISKIER, empty=0, needs=("support.resolved_at",)),
        tickets("oldest_open_ticket_days", "backlog", "Age of the oldest open ticket", "days", f"MAX(CASE WHEN {OPEN} THEN age ELSE 0 END)", RISKIER, empty=0, needs=("support.resolved_at",)),
        tickets("tickets_urgent_84d", "severity", "High or urgent tickets opened in the last 84 days", "tickets", count(84, where=urgent), RISKIER, 84, empty=0, needs=("support.priority",)),
        tickets("escalations_84d", "escalations", "Escalations of tickets opened in the last 84 days, as far as settled", "escalations", total("escalations", 84, where=f"escalations > 0 AND {SETTLED}"), RISKIER, 84, empty=0, needs=("support.escalations",)),
        tickets("reopened_84d", "reopened", "Times tickets of the last 84 days were reopened, as far as settled", "times", total("reopened", 84, where=f"reopened > 0 AND {SETTLED}"), RISKIER, 84, empty=0, needs=("support.reopened",)),
        tickets("ticket_csat_mean_364d", "ticket csat", "Mean satisfaction with settled tickets of the last 364 days (1 to 5)", "points", mean("csat", 364, SETTLED), SAFER, 364, needs=("support.csat",)),
    ]


def _speed() -> list[Feature]:
    return [
        tickets("hours_to_first_response_84d", "speed", "Mean hours to a first response, tickets of the last 84 days", "hours", ratio(mean("response_minutes", 84), "60"), RISKIER, 84, needs=("support.first_response_at",)),
        tickets("hours_to_resolution_84d", "speed", "Mean hours to resolution, tickets of the last 84 days resolved by now", "hours", ratio(mean("resolution_minutes", 84), "60"), RISKIER, 84, needs=("support.resolved_at",)),
    ]


def _silence() -> Feature:
    return derived(
        "support_silence", "silence", "No ticket for 84 days while usage runs below half its own average (1) or not (0)", "yes/no",
        "CASE WHEN tickets_84d = 0 AND 3 * events_28d < 0.5e0 * events_84d THEN 1 WHEN tickets_84d = 0 AND events_84d = 0 THEN 1 ELSE 0 END",
        RISKIER, 84, needs=("support.opened_at", "usage.at"),
    )
