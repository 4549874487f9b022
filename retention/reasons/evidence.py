"""Five areas of evidence, each by one figure of today and of a year before (systems G6)."""

from datetime import datetime, timedelta

from retention.blocks import Block, Column, rows
from retention.figures import UNKNOWN, Figure, share
from retention.inputs import Inputs

YEAR = timedelta(days=364)


def areas(inputs: Inputs) -> Block:
    """Onboarding, value, support, relationship, renewal: is each as it should be, and is it better than before?"""
    told = []
    for area, (text, query, needs) in _indicators().items():
        if not all(inputs.has(*need.split(".")) for need in needs):
            told.append((area, text, UNKNOWN, UNKNOWN))
            continue
        told.append((area, text, _share(inputs, query, inputs.as_of), _share(inputs, query, inputs.as_of - YEAR)))
    return Block(
        id="evidence",
        title="Five areas of evidence",
        systems=("G6", "G3"),
        says="One figure an area as of now and as of 364 days before; customers are those of that moment. A dash: the "
        "source is not mapped, or there are too few cases.",
        columns=(
            Column("area", "Area"),
            Column("figure", "Share of"),
            Column("now", "Now", "share", has_interval=True),
            Column("before", "A year before", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def _share(inputs: Inputs, query: str, moment: datetime) -> Figure:
    part, whole = inputs.rows(query.replace("$t", inputs.engine.moment(moment)))[0]
    return share(int(str(part or 0)), int(str(whole)), fewest=inputs.house.programme.fewest)


def _indicators() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Per area: in words, SQL for (part, whole) as of `$t`, and the columns it needs."""
    held = "FROM customer_spans s WHERE s.began_at < $t AND (s.ended_at IS NULL OR s.ended_at > $t)"
    used = """SELECT account_id, COUNT(DISTINCT date_diff('day', r.at, $t) // 7) AS weeks FROM known_usage r
              WHERE r.at < $t AND r.at >= $t - INTERVAL 28 DAY GROUP BY account_id"""
    two_way = """SELECT DISTINCT account_id FROM known_touchpoints r WHERE r.at < $t AND r.at >= $t - INTERVAL 84 DAY
                 AND (r.direction = 'inbound' OR r.answered OR r.kind IN ('meeting', 'qbr', 'training', 'executive'))"""
    return {
        "Onboarding quality": (
            "customers won 28 to 210 days before who used it within their first 28 days",
            """SELECT COUNT(*) FILTER (EXISTS (SELECT 1 FROM known_usage r WHERE r.account_id = s.account_id
                         AND r.at >= s.began_at AND r.at < s.began_at + INTERVAL 28 DAY)), COUNT(*)
               FROM customer_spans s
               WHERE s.began_at < $t - INTERVAL 28 DAY AND s.began_at >= $t - INTERVAL 210 DAY""",
            ("usage",),
        ),
        "Value realisation": (
            "customers who used it in each of the last four weeks",
            f"SELECT (SELECT COUNT(*) {held} AND account_id IN (SELECT account_id FROM ({used}) WHERE weeks = 4)),"
            f" (SELECT COUNT(*) {held})",
            ("usage",),
        ),
        "Support reliability": (
            "tickets opened 7 to 91 days before that were resolved within 7 days and not reopened",
            """SELECT COUNT(*) FILTER (r.resolved_at <= r.opened_at + INTERVAL 7 DAY AND COALESCE(r.reopened, 0) = 0),
                      COUNT(*) FROM known_support r
               WHERE r.opened_at < $t - INTERVAL 7 DAY AND r.opened_at >= $t - INTERVAL 91 DAY""",
            ("support.resolved_at",),
        ),
        "Relationship health": (
            "customers who joined, wrote or answered in the last 84 days",
            f"SELECT (SELECT COUNT(*) {held} AND account_id IN ({two_way})), (SELECT COUNT(*) {held})",
            ("touchpoints",),
        ),
        "Renewal economics": (
            "terms due in the last 182 days whose customer stayed",
            """SELECT COUNT(*) FILTER (EXISTS (SELECT 1 FROM customer_spans s WHERE s.account_id = d.account_id
                         AND s.began_at < d.renews_at AND (s.ended_at IS NULL OR s.ended_at > d.renews_at))), COUNT(*)
               FROM (SELECT DISTINCT account_id, renews_at FROM known_subscriptions r
                     WHERE r.renews_at < $t AND r.renews_at >= $t - INTERVAL 182 DAY) d""",
            ("subscriptions.renews_at",),
        ),
    }
