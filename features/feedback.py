"""Customer feedback: what they said, how it moved, and whether they answered at all."""

from functools import partial

from features.declare import Direction, Feature, any_row, count, mean, newest, ratio, recency

COMPONENT = "feedback"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
ANSWER = "kind IN ('nps', 'csat', 'ces') AND score IS NOT NULL"
SENT = "kind = 'survey_sent'"
COMPLAINT = "kind = 'complaint'"

said = partial(Feature, component=COMPONENT, scan="feedback", needs=("feedback.kind",))
scored = partial(Feature, component=COMPONENT, scan="feedback", needs=("feedback.score",))


def features() -> list[Feature]:
    """Every feedback feature: silence (a sent survey without an answer) is a reading of its own."""
    return [*_response(), *_nps(), *_scores("csat", "1 to 5"), *_scores("ces", "1 to 7"), *_complaints()]


# A feature is a row of a table: first what it says, then its unit and how it is computed.
# fmt: off
def _response() -> list[Feature]:
    sent, answers = count(364, where=SENT), count(364, where=ANSWER)
    unanswered = f"{SENT} AND age <= 364 AND age < COALESCE(last_answer_age, 100000)"
    never = f"{any_row(SENT)} = 1 AND {any_row(ANSWER)} = 0"
    return [
        said("surveys_sent_364d", "response", "Surveys sent in the last 364 days",
             "surveys", sent, UNKNOWN, 364, empty=0),
        said("survey_answers_364d", "response", "Surveys answered in the last 364 days",
             "answers", answers, SAFER, 364, empty=0),
        said("survey_response_rate_364d", "response", "Answers per survey sent in the last 364 days",
             "share", ratio(answers, sent), SAFER, 364),
        said("days_since_last_answer", "response", "Days since the last survey answer",
             "days", recency(ANSWER), RISKIER),
        said("surveys_unanswered", "response", "Surveys of the last 364 days sent on a day after the last answer",
             "surveys", f"SUM(CASE WHEN {unanswered} THEN 1 ELSE 0 END)", RISKIER, 364, empty=0),
        said("survey_never_answered", "response", "Surveys were sent and none was ever answered (1) or not (0)",
             "yes/no", f"CASE WHEN {never} THEN 1 ELSE 0 END", RISKIER, empty=0),
    ]


def _nps_class(score: str) -> str:
    """Promoter 1 (9-10), passive 0 (7-8), detractor -1 (0-6)."""
    return f"CASE WHEN {score} >= 9 THEN 1 WHEN {score} >= 7 THEN 0 WHEN {score} >= 0 THEN -1 END"


def _nps() -> list[Feature]:
    last, before = newest("score", "kind = 'nps'"), newest("score", "kind = 'nps'", nth=2)
    return [
        scored("nps_last", "nps", "Latest NPS answer (0 to 10)",
               "points", last, SAFER),
        scored("nps_change", "nps", "Latest NPS answer minus the one before",
               "points", f"{last} - {before}", SAFER),
        scored("nps_mean_364d", "nps", "Mean NPS answer of the last 364 days",
               "points", mean("score", 364, "kind = 'nps'"), SAFER, 364),
        scored("nps_class_shift", "nps", "Move between detractor, passive and promoter at the latest NPS answer",
               "classes", f"({_nps_class(last)}) - ({_nps_class(before)})", SAFER),
    ]


def _scores(kind: str, scale: str) -> list[Feature]:
    is_kind, name = f"kind = '{kind}'", kind.upper()
    last, before = newest("score", is_kind), newest("score", is_kind, nth=2)
    return [
        scored(f"{kind}_last", kind, f"Latest {name} answer ({scale})",
               "points", last, SAFER),
        scored(f"{kind}_change", kind, f"Latest {name} answer minus the one before",
               "points", f"{last} - {before}", SAFER),
        scored(f"{kind}_mean_364d", kind, f"Mean {name} answer of the last 364 days",
               "points", mean("score", 364, is_kind), SAFER, 364),
    ]


def _complaints() -> list[Feature]:
    return [
        *(said(f"complaints_{w}d", "complaints", f"Complaints in the last {w} days",
               "complaints", count(w, where=COMPLAINT), RISKIER, w, empty=0) for w in (84, 364)),
        scored("review_last", "review", "Stars of the latest review (1 to 5)",
               "stars", newest("score", "kind = 'review'"), SAFER),
    ]
