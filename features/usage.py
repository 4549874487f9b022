"""Product usage: how much, how often, how broad, by whom, and how that changed against the account's own past."""

from functools import partial

from features.declare import DERIVED, Direction, Feature, count, ratio, recency, share, slug, total

COMPONENT = "usage"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
WINDOWS = (7, 28, 84)
ALL_DAYS = " + ".join(f"BIT_COUNT(day_bits_{i})" for i in (1, 2, 3))
LAST_7_DAYS = 127
"""Bits of `day_bits_1`."""
WEEKS = "BIT_COUNT(week_bits)"

events = partial(Feature, component=COMPONENT, scan="events", needs=("usage.at",))
year = partial(Feature, component=COMPONENT, scan="year", needs=("usage.at",))
breadth = partial(Feature, component=COMPONENT, scan="events", needs=("usage.event",))
kinds = partial(breadth, scan="kinds")
users = partial(Feature, component=COMPONENT, scan="users", needs=("usage.user_id",))
visits = partial(Feature, component=COMPONENT, scan="visits", needs=("usage.session_id",))
year_visits = partial(visits, scan="year")
spend = partial(Feature, component=COMPONENT, scan="visits", needs=("usage.session_id", "usage.value"))
derived = partial(Feature, component=COMPONENT, scan=DERIVED, needs=("usage.at",))
derived_kinds = partial(derived, needs=("usage.event",))


def steps() -> list[Feature]:
    """Numbers that other usage features are computed of, and that are not features themselves."""
    return [
        year("_events_364d", "", "Usage events in the last 364 days", "events", "year_events"),
        year_visits("_visit_value_364d", "", "Money of all visits of the last 364 days", "cents", "year_value_cents"),
    ]


def features(event_names: tuple[str, ...]) -> list[Feature]:
    """Every usage feature, with one family per event name of the company's own vocabulary."""
    return [
        *_activity(),
        *_breadth(),
        *_rhythm(),
        *_trends(),
        *_amounts("quantity", "volume", "units", scale=1),
        *_amounts("value_cents", "spend", "money", scale=100),
        *_users(),
        *_visits(),
        *_families(event_names),
    ]


# A feature is a row of a table: first what it says, then its unit and how it is computed.
# fmt: off
def _activity() -> list[Feature]:
    days = {7: f"BIT_COUNT(day_bits_1 & {LAST_7_DAYS})", 28: "BIT_COUNT(day_bits_1)", 84: ALL_DAYS}
    return [
        *(events(f"events_{w}d", "activity", f"Usage events in the last {w} days",
                 "events", f"events_{w}", SAFER, w, empty=0) for w in WINDOWS),
        *(events(f"active_days_{w}d", "activity", f"Days of use in the last {w} days",
                 "days", sql, SAFER, w, empty=0) for w, sql in days.items()),
        year("active_weeks_364d", "activity", "Weeks of use in the last 52 weeks",
             "weeks", WEEKS, SAFER, 364, empty=0),
        derived("events_per_active_day_28d", "depth", "Events on a day of use, on average over the last 28 days",
                "events", ratio("events_28d", "active_days_28d"), UNKNOWN, 28),
    ]


def _breadth() -> list[Feature]:
    return [
        breadth(f"event_kinds_{w}d", "breadth", f"Different kinds of event used in the last {w} days",
              "kinds", f"BIT_COUNT(kind_bits_{w})", SAFER, w, empty=0)
        for w in (28, 84)
    ]


def _rhythm() -> list[Feature]:
    """How often the account comes, by its own standard: the same silence means more in a daily user."""
    return [
        year("days_since_last_use", "recency", "Days since the last use",
             "days", "year_newest", RISKIER, 364),
        events("days_between_uses_84d", "rhythm", "Usual days between two days of use, over the last 84 days",
               "days", ratio("(oldest - newest)", f"({ALL_DAYS} - 1)"), UNKNOWN, 84),
        year("weeks_between_uses_364d", "rhythm", "Usual weeks between two weeks of use, over the last 52 weeks",
             "weeks", ratio(f"({_week('year_oldest')} - {_week('year_newest')})", f"({WEEKS} - 1)"), UNKNOWN, 364),
        year("usage_history_days", "history", "Days since the first use within the last 52 weeks",
             "days", "year_oldest", UNKNOWN, 364),
        derived("recency_against_rhythm", "recency", "Days since the last use, in multiples of the usual gap",
                "times", ratio("days_since_last_use", "days_between_uses_84d"), RISKIER, 84),
    ]


def _trends() -> list[Feature]:
    return [
        events("usage_trend_28d", "trend", "Share of the last 56 days' events in the newer 28 (half is steady)",
               "share", share("events_28", "events_29_56"), SAFER, 56),
        events("usage_trend_7d", "trend", "Share of the last 28 days' events in the newest 7 (a quarter is steady)",
               "share", ratio("events_7", "events_28"), SAFER, 28),
        events("usage_slope_84d", "trend", "Weekly change of events over 12 weeks, as a share of their mean",
               "share", _weekly_slope(), SAFER, 84),
        derived("usage_against_baseline_28d", "trend", "Events of the last 28 days against the own 52-week average",
                "times", ratio("13 * events_28d", '"_events_364d"'), SAFER, 364),
    ]


def _weekly_slope() -> str:
    """Least-squares slope over 12 zero-filled weeks, relative to the weekly mean.

    With x = 0 (oldest) .. 11: slope = (12 sum(xy) - 66 sum(y)) / 1716 (closed form), mean = sum(y) / 12. Weeks are
    counted back, w = 11 - x, so that 12 sum(xy) = 132 sum(y) - 12 sum(wy).
    """
    return ratio("(66 * events_84 - 12 * weeks)", "(143 * events_84)")


def _week(age: str) -> str:
    return f"FLOOR(({age} - 1) / 7e0)"


def _amounts(column: str, signal: str, unit: str, *, scale: int) -> list[Feature]:
    amount = partial(events, needs=(f"usage.{column.removesuffix('_cents')}",))
    return [
        *(amount(f"{signal}_{w}d", signal, f"Total {signal} in the last {w} days",
                 unit, ratio(f"{column}_{w}", str(scale)), SAFER, w, empty=0) for w in WINDOWS),
        amount(f"{signal}_trend_28d", signal, f"Share of the last 56 days' {signal} in the newer 28 (half is steady)",
               "share", share(f"{column}_28", f"{column}_29_56"), SAFER, 56),
    ]


def _users() -> list[Feature]:
    return [
        *(users(f"users_{w}d", "people", f"People who used the product in the last {w} days",
                "people", count(w), SAFER, w, empty=0) for w in WINDOWS),
        users("users_trend_28d", "people", "People active in the last 28 days, of those active in the last 84",
              "share", ratio(count(28), "COUNT(*)"), SAFER, 84),
        users("top_user_share_84d", "people", "Share of the last 84 days' events by people made by the busiest one",
              "share", ratio("MAX(events)", "SUM(events)"), UNKNOWN, 84),
        users("days_since_top_user", "champion", "Days since the busiest person of the last 84 days was last seen",
              "days", "MIN(CASE WHEN busiest = 1 THEN age END)", RISKIER, 84),
        derived("seat_use_28d", "people", "People active in the last 28 days, per seat paid for",
                "share", ratio("users_28d", "seats"), SAFER, 28, needs=("usage.user_id", "subscriptions.seats")),
    ]


def _visits() -> list[Feature]:
    return [
        *(visits(f"visits_{w}d", "activity", f"Visits in the last {w} days",
                 "visits", count(w), SAFER, w, empty=0) for w in WINDOWS),
        year_visits("visits_364d", "activity", "Visits in the last 364 days",
                    "visits", "year_visits", SAFER, 364, empty=0),
        visits("visits_trend_28d", "trend", "Share of the last 56 days' visits in the newer 28 (half is steady)",
               "share", share(count(28), count(56, 28)), SAFER, 56),
        visits("lines_per_visit_84d", "depth", "Lines of a visit, on average over the last 84 days",
               "lines", ratio(total("lines", 84), count(84)), UNKNOWN, 84),
        spend("value_per_visit_84d", "spend", "Money spent in a visit, on average over the last 84 days",
              "money", ratio(total("value_cents", 84), f"(100 * {count(84)})"), UNKNOWN, 84),
        spend("days_since_large_visit", "recency", "Days since a visit of 84 days worth at least half the own average",
              "days", recency("2 * value_cents * visits >= all_cents"), RISKIER, 84),
    ]


def _families(event_names: tuple[str, ...]) -> list[Feature]:
    taken: set[str] = set()
    words = [slug(event, taken) for event in event_names]
    return [f for i, event in enumerate(event_names) for f in _family(event, words[i], i)]


def _family(event: str, word: str, kind: int) -> list[Feature]:
    """The word comes last in each name, so that no event's name can make one feature's name another's."""
    about, beside = (partial(of, signal=f"event: {event}") for of in (kinds, derived_kinds))
    last_28, last_84, before_28 = (f"COALESCE(kind_{kind}_{window}, 0)" for window in ("28", "84", "29_56"))
    return [
        about(f"event_28d_{word}", definition=f"'{event}' in the last 28 days",
              unit="events", sql=last_28, days=28, empty=0),
        about(f"event_84d_{word}", definition=f"'{event}' in the last 84 days",
              unit="events", sql=last_84, days=84, empty=0),
        beside(f"event_share_28d_{word}", definition=f"Share of '{event}' among the last 28 days' events",
               unit="share", sql=ratio(f"event_28d_{word}", "events_28d"), days=28),
        beside(f"event_share_84d_{word}", definition=f"Share of '{event}' among the last 84 days' events",
               unit="share", sql=ratio(f"event_84d_{word}", "events_84d"), days=84),
        about(f"event_trend_28d_{word}", definition=f"Share of the last 56 days' '{event}' in the newer 28",
              unit="share", sql=share(last_28, before_28), days=56),
        about(f"event_days_since_{word}", definition=f"Days since the last '{event}' within 84 days",
              unit="days", sql=f"kind_{kind}_newest", days=84),
    ]
