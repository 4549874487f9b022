"""What an account got out of it: a report for the customer, with milestones, value gained and peers (S12, D11)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from features.declare import text_literal
from retention.errors import RetentionError
from retention.inputs import Inputs
from retention.journey.book import Book, Customer, look

COMPARED = {
    "active_days_28d": "Days of use in 28",
    "users_28d": "People in 28 days",
    "event_kinds_28d": "Different features used in 28 days",
    "seat_use_28d": "Seats used",
}
"""Numbers that are compared with peers, by feature."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A milestone with the day it was reached, None where it was not, and the days it took."""

    title: str
    at: datetime | None
    days: int | None
    within_days: int


@dataclass(frozen=True, kw_only=True)
class Gained:
    """What was counted in the period and in the one before."""

    title: str
    now: float | None
    before: float | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A number among peers: `percentile` is the share of them with less, those with the same counted half."""

    title: str
    value: float
    percentile: float
    peers: int


@dataclass(frozen=True, kw_only=True)
class ValueReport:
    """An account's value report for [from, to); `worth` is money by the company's own prices of events.

    `paid` is what the running contract costs for so many days; `worth` over `paid` is the return on it.
    """

    company: str
    account_id: str
    stage: str
    customer_since: datetime
    from_: datetime
    to: datetime
    milestones: tuple[Reached, ...]
    gained: tuple[Gained, ...]
    peers_are: str
    peers: tuple[Standing, ...]
    goal_attainment: float | None
    worth: float | None
    paid: float | None
    summary: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        told = asdict(self)
        return told | {"from": told.pop("from_")}

    def as_markdown(self) -> str:
        """The report for the customer."""
        lines = [f"# {self.account_id}: value {self.from_:%Y-%m-%d} to {self.to:%Y-%m-%d}", "", "## In short", ""]
        lines += [f"- {sentence}" for sentence in self.summary]
        lines += ["", "## Milestones", "", "| Milestone | Reached | Days |", "|---|---|---|"]
        lines += [f"| {m.title} | {_day(m.at)} | {_number(m.days)} |" for m in self.milestones]
        lines += ["", "## What was gained", "", "| | This period | The period before |", "|---|---|---|"]
        lines += [f"| {g.title} | {_number(g.now)} | {_number(g.before)} |" for g in self.gained]
        lines += ["", f"## Against {self.peers_are}", "", "| | Here | More than |", "|---|---|---|"]
        lines += [f"| {p.title} | {_number(p.value)} | {p.percentile:.0%} of {p.peers} |" for p in self.peers]
        return "\n".join(lines) + "\n"


def value_report(inputs: Inputs, account_id: str) -> ValueReport:
    """The report of one current customer.

    Raises:
        RetentionError: the account is no customer at the moment.
    """
    book = look(inputs, also=frozenset({*COMPARED, "mrr"}))
    one = book.customer(account_id)
    if one is None:
        raise RetentionError(f"{account_id} is no customer as of {inputs.as_of:%Y-%m-%d}; correct the id or the date")
    days = inputs.house.value.period_days
    now, before = (_counted(book, one, inputs.as_of - timedelta(days=days * (back + 1)), days) for back in (0, 1))
    milestones = tuple(_milestone(book, one, name) for name in _told(book))
    peers_are, peers = _peers(book, one)
    gained = tuple(Gained(title=title, now=now[title], before=before[title]) for title in now)
    worth, paid = _worth(book, one, days), _paid(book, one, days)
    return ValueReport(
        company=inputs.settings.company.name,
        account_id=account_id,
        stage=one.stage,
        customer_since=one.began_at,
        from_=inputs.as_of - timedelta(days=days),
        to=inputs.as_of,
        milestones=milestones,
        gained=gained,
        peers_are=peers_are,
        peers=peers,
        goal_attainment=one.number("goal_attainment"),
        worth=worth,
        paid=paid,
        summary=tuple(_summary(one, milestones, gained, peers, worth, paid)),
    )


def percentile(value: float, others: list[float]) -> float:
    """Share of others with less; those with the same count half.

    >>> percentile(3, [1, 2, 3, 4])
    0.625
    """
    less, same = sum(1 for other in others if other < value), sum(1 for other in others if other == value)
    return (less + same / 2) / len(others)


def _told(book: Book) -> list[str]:
    return [*book.steps, *(name for name in ("trained", "reviewed", "executive") if name in book.milestones)]


def _milestone(book: Book, one: Customer, name: str) -> Reached:
    at, rule = one.reached.get(name), book.milestones[name]
    seen = book.watched_from is not None and one.began_at >= book.watched_from
    return Reached(
        title=rule.title,
        at=at,
        days=(at - one.began_at).days if at is not None and seen else None,
        within_days=rule.within_days,
    )


def _counted(book: Book, one: Customer, begin: datetime, days: int) -> Mapping[str, float | None]:
    """What an account did in [begin, begin + days); None where the data do not reach back to the begin."""
    account, engine = text_literal(one.account_id), book.inputs.engine
    within = f"r.at >= {engine.moment(begin)} AND r.at < {engine.moment(begin + timedelta(days=days))}"
    found: dict[str, float | None] = {}
    if book.inputs.has("usage"):
        known = book.watched_from is not None and begin >= book.watched_from
        query = f"""SELECT COUNT(*), COUNT(DISTINCT CAST(r.at AS DATE)), COUNT(DISTINCT user_id), COUNT(DISTINCT event)
                    FROM known_usage r WHERE account_id = {account} AND {within}"""
        counts = [float(str(n)) if known else None for n in book.inputs.rows(query)[0]]
        titles = ["Times used", "Days of use"]
        titles += ["People who used it"] if book.inputs.has("usage", "user_id") else []
        found |= dict(zip(titles, counts, strict=False))
        if book.inputs.has("usage", "event"):
            found["Different features used"] = counts[3]
    if book.inputs.has("support", "resolved_at"):
        query = f"""SELECT COUNT(*) FROM known_support r WHERE account_id = {account}
                    AND {within.replace("r.at", "r.resolved_at")}"""
        found["Tickets resolved"] = float(str(book.inputs.rows(query)[0][0]))
    return found


def _worth(book: Book, one: Customer, days: int) -> float | None:
    """What the events of the period are worth by the company's own prices; None without prices."""
    prices = book.inputs.house.value.worth
    if not prices or not book.inputs.has("usage", "event"):
        return None
    case = " ".join(f"WHEN {text_literal(event)} THEN {price}" for event, price in prices.items())
    found = book.inputs.rows(
        f"""SELECT SUM(CASE event {case} ELSE 0 END) FROM known_usage r
            WHERE account_id = {text_literal(one.account_id)} AND r.at >= {book.inputs.moment} - INTERVAL {days} DAY"""
    )
    return float(str(found[0][0] or 0))


def _paid(book: Book, one: Customer, days: int) -> float | None:
    monthly = one.number("mrr")
    return None if monthly is None else monthly * 12 * days / 365


def _peers(book: Book, one: Customer) -> tuple[str, tuple[Standing, ...]]:
    """Where the account stands among the customers of its segment, or of the book where the segment is small."""
    fewest = book.inputs.house.programme.fewest
    others = [peer for peer in book.customers if peer.account_id != one.account_id]
    same = [peer for peer in others if peer.segment is not None and peer.segment == one.segment]
    who, ones = (f"customers of segment {one.segment}", same) if len(same) >= fewest else ("all customers", others)
    told = []
    for name, title in COMPARED.items():
        value = one.number(name)
        known = [number for peer in ones if (number := peer.number(name)) is not None]
        if value is not None and len(known) >= fewest:
            told.append(Standing(title=title, value=value, percentile=percentile(value, known), peers=len(known)))
    return who, tuple(told)


def _summary(
    one: Customer,
    milestones: tuple[Reached, ...],
    gained: tuple[Gained, ...],
    peers: tuple[Standing, ...],
    worth: float | None,
    paid: float | None,
) -> list[str]:
    got = sum(1 for milestone in milestones if milestone.at is not None)
    told = [f"Customer since {one.began_at:%Y-%m-%d}; {got} of {len(milestones)} milestones reached."]
    use = next((g for g in gained if g.now is not None and g.before), None)
    if use and use.now is not None and use.before:
        told.append(f"{use.title}: {use.now:,.0f}, {use.now / use.before - 1:+.0%} against the period before.")
    if peers:
        best = max(peers, key=lambda peer: peer.percentile)
        told.append(f"Best among peers: {best.title.lower()}, more than {best.percentile:.0%} of {best.peers}.")
    goals = one.number("goal_attainment")
    if goals is not None:
        told.append(f"{goals:.0%} of the goals agreed are reached.")
    if worth is not None:
        ratio = f", {worth / paid:.1f} times what was paid ({paid:,.0f})" if paid else ""
        told.append(f"What was done is worth {worth:,.0f}{ratio}.")
    missing = [milestone.title for milestone in milestones if milestone.at is None]
    if missing:
        told.append(f"Next: {missing[0]}.")
    return told


def _day(at: datetime | None) -> str:
    return "not yet" if at is None else f"{at:%Y-%m-%d}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
