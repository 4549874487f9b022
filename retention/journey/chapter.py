"""The chapter on where each customer is and what is due."""

from features.declare import text_literal
from retention.blocks import Block, Chapter
from retention.inputs import Inputs
from retention.journey import (
    activity,
    advocates,
    checklist,
    cohorts,
    expansion,
    low_use,
    onboarding,
    path,
    phases,
    relations,
    renewals,
    stages,
    touches,
    triggers,
    way,
)
from retention.journey.book import Book, look
from retention.journey.checklist import Checklist
from retention.journey.way import Way


def chapter(inputs: Inputs) -> Chapter:
    """Stages, path to value, checklists, renewals, expansion, advocates, and what is due."""
    book = look(inputs)
    found, lists = way.ways(book), checklist.checklists(book)
    blocks = [
        stages.stages(book),
        *_path(book, found),
        *_first_days(book, found, lists),
        *_activity(book),
        *_checklists(book, lists),
        *_contacts(book),
        *_renewals(book),
        *_more(book),
        stages.accounts(book),
        stages.positions(book, lists),
    ]
    blocks = [block for block in blocks if block.rows or block.id in ("stages", "accounts", "positions")]
    return Chapter(id="journey", title="The customers' way", blocks=tuple(blocks), not_measured=tuple(_missing(book)))


def _path(book: Book, found: list[Way]) -> list[Block]:
    if not book.steps or not found:
        return []
    told = [path.milestones(book, found), path.steps(book, found), path.stuck(book, found)]
    return [*told, path.time_to_value(book, found)] if _has_time_to_value(book) else told


def _has_time_to_value(book: Book) -> bool:
    """Whether the first value is a measured step that does not begin the customer itself."""
    begins = book.inputs.settings.churn.kind == "inactivity" and book.path.first_value == book.path.steps[0]
    return book.path.first_value in book.steps and not begins


def _first_days(book: Book, found: list[Way], lists: dict[str, list[Checklist]]) -> list[Block]:
    if book.business_model == "b2c":
        return [cohorts.review(book, found)] if found else []
    told = [onboarding.first_days(book, lists)]
    return [*told, onboarding.evidence(book, found)] if found else told


def _activity(book: Book) -> list[Block]:
    if not book.inputs.has("usage"):
        return []
    silences = activity.thresholds(book)
    told = [activity.inactivity(book, silences), triggers.triggers(book, silences)]
    if book.inputs.rows("SELECT 1 FROM score_history LIMIT 1"):
        told += [activity.alerts(book), activity.silent(book)]
    return [*told, low_use.low_lines(book), low_use.low_use(book)]


def _checklists(book: Book, lists: dict[str, list[Checklist]]) -> list[Block]:
    return [phases.phases(book, lists), phases.items(book, lists), phases.overdue(book, lists)]


def _contacts(book: Book) -> list[Block]:
    if not book.inputs.has("touchpoints"):
        return []
    return [touches.touches(book), touches.reviews(book)]


def _renewals(book: Book) -> list[Block]:
    if not book.inputs.has("subscriptions", "renews_at"):
        return []
    told = [renewals.renewals(book), renewals.coverage(book)] if renewals.windows(book) else []
    return [*told, renewals.outcomes(book)]


def _more(book: Book) -> list[Block]:
    wanted = expansion.intents(book)
    told = [expansion.expansion(book, wanted), expansion.goals(book), advocates.block(book), triggers.rewards(book)]
    if wanted:
        told.append(expansion.upgrade_intent(book, wanted))
    return [*told, relations.multithreading(book)] if book.inputs.has("usage", "user_id") else told


def _missing(book: Book) -> list[str]:
    """What could not be measured, and which data or setting it needs."""
    inputs, house = book.inputs, book.inputs.house
    told = [f"{house.milestones[name].title} (milestone {name}): {why}" for name, why in book.lacking.items()]
    has_scores = bool(inputs.rows("SELECT 1 FROM score_history LIMIT 1"))
    has_goals = bool(inputs.rows("SELECT 1 FROM fact_history WHERE name = 'goal_attainment' LIMIT 1"))
    questions = (
        (bool(book.customers), "Stages, milestones, lists: nobody is a customer at this moment"),
        (has_scores, "Health in the lists, how soon a silence is noticed: no kept run (`keepwell score --store`)"),
        (_has_time_to_value(book), "Time to first value: customers begin with their first use, or it is not measured"),
        (inputs.has("touchpoints"), "Touches and reviews due, decision makers: no [sources.touchpoints] is mapped"),
        (inputs.has("subscriptions", "renews_at"), "Renewals: no `renews_at` in [sources.subscriptions]"),
        (inputs.has("subscriptions", "seats") and inputs.has("usage", "user_id"),
         "Seats used: needs `seats` in [sources.subscriptions] and `user_id` in [sources.usage]"),
        (bool(house.expansion.upgrade_events), "Upgrade intent: name your events, [expansion] upgrade_events"),
        (has_goals, "Goals reached: nobody told any (`keepwell facts set ACCOUNT goal_attainment 0.8`)"),
        (bool(house.triggers.reward_plays) and bool(inputs.rows(_rewarded(house.triggers.reward_plays))),
         "Rewards of referrals: no intervention is one of [triggers] reward_plays"),
        (any(book.business_model in phase.business_models for phase in house.phases.values()),
         f"Checklists: no phase of retention.toml is for {book.business_model}"),
    )  # fmt: skip
    return told + [sentence for is_there, sentence in questions if not is_there]


def _rewarded(plays: tuple[str, ...]) -> str:
    return f"SELECT 1 FROM known_interventions WHERE play IN ({', '.join(map(text_literal, plays))}) LIMIT 1"
