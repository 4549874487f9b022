"""Relationship: who talks to whom, who answers, who left, and what the CSM makes of it."""

from functools import partial

from features.declare import Direction, Feature, count, mean, newest, ratio, recency

COMPONENT = "relationship"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
CAME = "coalesce(answered, true)"
MEETING = f"(kind IN ('meeting', 'qbr') AND {CAME})"
EXECUTIVE, TRAINING = f"(kind = 'executive' AND {CAME})", f"(kind = 'training' AND {CAME})"
TWO_WAY = f"(direction = 'inbound' OR {MEETING} OR {EXECUTIVE} OR {TRAINING} OR (answered AND age > 14))"
OUTBOUND = "direction = 'outbound' AND answered IS NOT NULL"

contact = partial(Feature, component=COMPONENT, scan="touchpoints", needs=("touchpoints.kind",))
outreach = partial(contact, needs=("touchpoints.direction", "touchpoints.answered"))
judged = partial(contact, needs=("touchpoints.sentiment",))


def features() -> list[Feature]:
    """Every relationship feature.

    Our own outreach is never counted as their engagement: only what the customer started, joined or answered
    is; a meeting, training or call with an executive that is known to be unanswered did not take place. Whether any
    other contact was answered is read 14 days after it, when an answer would have come.
    """
    return [*_contact(), *_events(), *_sentiment()]


# A feature is a row of a table: first what it says, then its unit and how it is computed.
# fmt: off
def _contact() -> list[Feature]:
    answers = ratio(count(196, 14, where=f"{OUTBOUND} AND answered"), count(196, 14, where=OUTBOUND))
    return [
        contact("days_since_two_way_contact", "contact", "Days since the customer last joined, wrote or answered",
                "days", recency(TWO_WAY), RISKIER),
        contact("two_way_contacts_84d", "contact", "Contacts of 84 days that the customer joined or answered",
                "contacts", count(84, where=TWO_WAY), SAFER, 84, empty=0),
        contact("meetings_84d", "meetings", "Meetings and business reviews in the last 84 days",
                "meetings", count(84, where=MEETING), SAFER, 84, empty=0),
        contact("days_since_meeting", "meetings", "Days since the last meeting or business review",
                "days", recency(MEETING), RISKIER),
        outreach("outreach_answer_rate_182d", "answers", "Share of our outreach 15 to 196 days ago that was answered",
                 "share", answers, SAFER, 196),
    ]


def _events() -> list[Feature]:
    fading = "CASE WHEN kind = 'champion_left' AND age <= 182 THEN (182 - age) / 182e0 ELSE 0e0 END"
    return [
        contact("executive_contacts_364d", "executive", "Contacts with an executive in the last 364 days",
                "contacts", count(364, where=EXECUTIVE), SAFER, 364, empty=0),
        contact("trainings_364d", "training", "Trainings held in the last 364 days",
                "trainings", count(364, where=TRAINING), SAFER, 364, empty=0),
        contact("champion_left", "champion", "Departure of a key contact, 1 on the day, fading to 0 over 182 days",
                "share", f"MAX({fading})", RISKIER, 182, empty=0),
        contact("contract_inquiries_84d", "inquiry", "Questions about leaving or downgrading in the last 84 days",
                "questions", count(84, where="kind = 'contract_inquiry'"), RISKIER, 84, empty=0),
    ]


def _sentiment() -> list[Feature]:
    last, before = (newest("sentiment", "sentiment IS NOT NULL", nth) for nth in (1, 2))
    return [
        judged("sentiment_last", "sentiment", "The CSM's latest judgement of the relationship (1 to 5)",
               "points", last, SAFER),
        judged("sentiment_change", "sentiment", "Latest judgement minus the one before",
               "points", f"{last} - {before}", SAFER),
        judged("sentiment_mean_182d", "sentiment", "Mean judgement of the last 182 days",
               "points", mean("sentiment", 182), SAFER, 182),
    ]
