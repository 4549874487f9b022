"""Relationship: who talks to whom, who answers, who left, and what the CSM makes of it."""

from functools import partial

from features.declare import Direction, Feature, count, mean, newest, ratio, recency

COMPONENT = "relationship"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
MEETING = "kind IN ('meeting', 'qbr')"
TWO_WAY = "(direction = 'inbound' OR kind IN ('meeting', 'qbr', 'training', 'executive') OR (answered AND age > 14))"
OUTBOUND = "(direction = 'outbound' AND answered IS NOT NULL AND age > 14)"

contact = partial(Feature, component=COMPONENT, scan="touchpoints", needs=("touchpoints.kind",))


def features() -> list[Feature]:
    """Every relationship feature.

    Our own outreach is never counted as their engagement: only what the customer started, joined or answered
    is. Whether a contact was answered is read 14 days after it, when an answer would have come.
    """
    return [*_contact(), *_events(), *_sentiment()]


def _contact() -> list[Feature]:
    answers = ratio(count(196, 14, where=f"{OUTBOUND} AND answered"), count(196, 14, where=OUTBOUND))
    return [
        contact("days_since_two_way_contact", "contact", "Days since the customer last joined, wrote or answered", "days", recency(TWO_WAY), RISKIER),
        contact("two_way_contacts_84d", "contact", "Contacts of the last 84 days that the customer joined, started or answered", "contacts", count(84, where=TWO_WAY), SAFER, 84, empty=0),
        contact("meetings_84d", "meetings", "Meetings and business reviews in the last 84 days", "meetings", count(84, where=MEETING), SAFER, 84, empty=0),
        contact("days_since_meeting", "meetings", "Days since the last meeting or business review", "days", recency(MEETING), RISKIER),
        contact("outreach_answer_rate_182d", "answers", "Share of our outreach of 14 to 196 days ago that was answered", "share", answers, SAFER, 196, needs=("touchpoints.direction", "touchpoints.answered")),
    ]


def _events() -> list[Feature]:
    left, inquiry = "kind = 'champion_left'", "kind = 'contract_inquiry'"
    return [
        contact("executive_contacts_364d", "executive", "Contacts with an executive in the last 364 days", "contacts", count(364, where="kind = 'executive'"), SAFER, 364, empty=0),
        contact("trainings_364d", "training", "Trainings held in the last 364 days", "trainings", count(364, where="kind = 'training'"), SAFER, 364, empty=0),
        contact("champion_left", "champion", "Departure of a key contact, 1 on the day, fading to 0 over 182 days", "share", f"MAX(CASE WHEN {left} AND age <= 182 THEN (182 - age) / 182e0 ELSE 0e0 END)", RISKIER, 182, empty=0),
        contact("contract_inquiries_84d", "inquiry", "Questions about downgrading or cancelling in the last 84 days", "questions", count(84, where=inquiry), RISKIER, 84, empty=0),
    ]


def _sentiment() -> list[Feature]:
    judged = partial(contact, needs=("touchpoints.sentiment",))
    last, before = newest("sentiment", "sentiment IS NOT NULL"), newest("sentiment", "sentiment IS NOT NULL", nth=2)
    return [
        judged("sentiment_last", "sentiment", "The CSM's latest judgement of the relationship (1 to 5)", "points", last, SAFER),
        judged("sentiment_change", "sentiment", "Latest judgement minus the one before", "points", f"{last} - {before}", SAFER),
        judged("sentiment_mean_182d", "sentiment", "Mean judgement of the last 182 days", "points", mean("sentiment", 182), SAFER, 182),
    ]
