"""The renewals ahead, what may be wrong with those that look well, and how past ones ended (systems S11, P6, S13)."""

from datetime import timedelta

from retention.blocks import Block, Chart, Column, rows
from retention.figures import share
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER

YEAR = 365


def windows(book: Book) -> tuple[int, ...]:
    """The renewal windows in days, the widest first: the policy's; without a policy none."""
    return tuple(int(days) for days in book.inputs.standards.renewal_days)


def window(book: Book, one: Customer) -> int | None:
    """The narrowest window that a customer is in; terms no longer than the widest are never in one."""
    ahead, term = one.number("days_to_renewal"), one.number("term_days")
    if ahead is None or term is None or ahead < 0 or term <= max(windows(book), default=0):
        return None
    return min((days for days in windows(book) if ahead <= days), default=None)


def hidden_risks(book: Book, one: Customer) -> list[str]:
    """What may be wrong, in words, by the conditions of retention.toml."""
    return [risk.title for risk in book.inputs.house.hidden_risks.values() if one.holds(risk.when)]


def renewals(book: Book) -> Block:
    """The countdown: who renews within the windows, the soonest first (systems S11, M1, P6)."""
    told = []
    for one in book.customers:
        days = window(book, one)
        if days is None or one.renews_at is None:
            continue
        risks = hidden_risks(book, one)
        told.append(
            (one.account_id, one.owner, one.renews_at, one.number("days_to_renewal"), days,
             one.renews_at - timedelta(days=days), one.auto_renew, one.tier, _covered(one),
             bool(one.number("is_green")) and bool(risks), "; ".join(risks), one.number("yearly_value"))
        )  # fmt: skip
    told.sort(key=lambda row: (row[3], row[0]))
    return Block(
        id="renewals",
        title="Renewals ahead",
        systems=("S11", "M1", "P6"),
        says=f"Terms that renew within {_and(windows(book))} days (policy.toml); terms no longer than the "
        "widest window, such as months, are left out. Decision makers: an executive was met within "
        "364 days. Hidden risk: green, but what may be wrong says otherwise.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("renews_at", "Renews", "day"),
            Column("days_to_renewal", "Days left", "days"),
            Column("window", "Window", "days"),
            Column("entered_at", "Entered", "day"),
            Column("auto_renew", "Renews itself", "flag"),
            Column("tier", "Tier"),
            Column("decision_makers", "Decision makers met", "flag"),
            Column("is_hidden", "Hidden risk", "flag"),
            Column("risks", "What may be wrong"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def coverage(book: Book) -> Block:
    """How ready each window is: decision makers met, hidden risks, money (systems P6, S11)."""
    told, fewest = [], book.inputs.house.programme.fewest
    for days in windows(book):
        ones = [one for one in book.customers if window(book, one) == days]
        met = [covered for one in ones if (covered := _covered(one)) is not None]
        green = [one for one in ones if one.number("is_green")]
        hidden = sum(1 for one in green if hidden_risks(book, one))
        worth = [value for one in ones if (value := one.number("yearly_value")) is not None]
        told.append((f"within {days} days", len(ones), sum(worth) if worth else None,
                     share(sum(met), len(met), fewest=fewest), share(hidden, len(green), fewest=fewest)))  # fmt: skip
    return Block(
        id="coverage",
        title="Readiness for the renewals",
        systems=("P6", "S11"),
        says="Each renewal counts in the narrowest window it is in. Green with a hidden risk: of those in the best "
        "tier.",
        columns=(
            Column("window", "Window"),
            Column("renewals", "Renewals", "count"),
            Column("yearly_value", "Yearly value", "money"),
            Column("decision_makers", "Decision makers met", "share"),
            Column("hidden", "Green with a hidden risk", "share"),
        ),
        rows=rows(told),
    )


def outcomes(book: Book) -> Block:
    """Where the customers stood that stayed and that left: the first stage that was not completed (systems S13)."""
    counted: dict[str, list[int]] = {stage: [0, 0] for stage in _missed(book)}
    for stage, is_lost in book.inputs.rows(_ended(book)):
        counted[str(stage)][bool(is_lost)] += 1
    fewest = book.inputs.house.programme.fewest
    return Block(
        id="renewal_outcomes",
        title="Won and lost, by the first stage that was missed",
        systems=("S13",),
        says="Customers whose term came to its end within the last year and that renewed (won) or left (lost), by the "
        "first stage of their way that was not completed before that end. Only customers whose beginning the data "
        "show. Stages with a high loss are where to improve.",
        columns=(
            Column("stage", "First stage missed"),
            Column("won", "Won", "count"),
            Column("lost", "Lost", "count"),
            Column("lost_share", "Lost of them", "share"),
        ),
        rows=rows((stage, won, lost, share(lost, won + lost, fewest=fewest)) for stage, (won, lost) in counted.items()),
        chart=Chart("bar", "stage", ("won", "lost")),
    )


def _missed(book: Book) -> dict[str, str]:
    """Stages in their order, each with the SQL that says it was missed, of a term's end `e`."""
    found = {}
    by_stage = (("onboarding: no first value", book.path.first_value), ("adoption: never engaged", book.path.engaged))
    for stage, milestone in by_stage:
        if milestone in book.milestones:
            found[stage] = f"""NOT EXISTS (SELECT 1 FROM journey_reached r WHERE r.milestone = '{milestone}'
                AND r.account_id = e.account_id AND r.nth = e.nth AND r.reached_at <= e.up_at)"""
    if book.inputs.has("touchpoints"):
        found["renewal: no executive met in the year before"] = """NOT EXISTS (SELECT 1 FROM known_touchpoints r
            WHERE r.account_id = e.account_id AND r.kind = 'executive' AND r.at <= e.up_at
            AND r.at > e.up_at - INTERVAL 364 DAY)"""
    return found | {"none of these": "TRUE"}


def _ended(book: Book) -> str:
    """Each stint's newest end of a term within the last year: the stage missed, and whether the customer left."""
    at, from_ = book.inputs.moment, book.inputs.engine.moment(book.watched_from or book.as_of)
    case = " ".join(f"WHEN {missed} THEN '{stage}'" for stage, missed in _missed(book).items())
    ends = f"""
        SELECT s.account_id, s.nth, COALESCE(s.ended_at, MAX(t.started_at)) AS up_at, s.ended_at IS NOT NULL AS is_lost
        FROM customer_spans s JOIN known_subscriptions t ON t.account_id = s.account_id AND t.started_at >= s.began_at
             AND (s.ended_at IS NULL OR t.started_at < s.ended_at)
        WHERE s.began_at >= {from_}
        GROUP BY s.account_id, s.nth, s.ended_at HAVING s.ended_at IS NOT NULL OR COUNT(*) > 1"""
    return f"""SELECT CASE {case} END AS stage, is_lost FROM ({ends}) e
               WHERE e.up_at <= {at} AND e.up_at > {at} - INTERVAL {YEAR} DAY"""


def _covered(one: Customer) -> bool | None:
    met = one.number("executive_contacts_364d")
    return None if met is None else met >= 1


def _and(days: tuple[int, ...]) -> str:
    return " and ".join(map(str, days))
