"""The weekly look at new customers: does a newer cohort come back as often as the older ones did (systems C3, L10)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from retention.blocks import Block, Chart, Column, rows
from retention.figures import Figure, share
from retention.journey.book import Book
from retention.journey.way import Way

WEEKS, AFTER = 26, (1, 4, 8)
Uses = dict[str, set[int]]


def review(book: Book, found: Sequence[Way]) -> Block:
    """Cohorts by the week in which they began, the oldest first."""
    uses, fewest = _weeks_used(book), book.inputs.house.programme.fewest
    cohorts: dict[datetime, list[Way]] = {}
    for way in found:
        cohorts.setdefault(_monday(way.began_at), []).append(way)
    weeks = sorted(cohorts)[-WEEKS:]
    told, before = [], list[float]()
    for week in weeks:
        ones = cohorts[week]
        cells = [_came(book, ones, uses, week, after, fewest) for after in AFTER]
        first = cells[0].value
        usual = sum(before) / len(before) if before else None
        told.append((week, len(ones), *cells, usual, None if first is None or usual is None else first - usual))
        if first is not None:
            before.append(first)
    return Block(
        id="weekly_cohorts",
        title="Weekly cohort review",
        systems=("C3", "L10"),
        says="New customers by the week they began: the share that came in the first, fourth and eighth week after it "
        "(their own weeks of seven days; only where all of them had the time). Against usual: the first week compared "
        "with the mean of the earlier cohorts shown.",
        columns=(
            Column("week", "Week of", "day"),
            Column("customers", "New customers", "count"),
            *(Column(f"week_{after}", f"Came in week {after}", "share") for after in AFTER),
            Column("usual", "Usual in week 1", "share"),
            Column("against", "Against usual", "share"),
        ),
        rows=rows(told),
        chart=Chart("line", "week", ("week_1", "week_4")),
    )


def _came(book: Book, ones: list[Way], uses: Uses, week: datetime, after: int, fewest: int) -> Figure:
    if week + timedelta(days=7 * (after + 2)) > book.as_of:
        return Figure(None, len(ones))
    return share(sum(1 for way in ones if after in uses.get(way.account_id, ())), len(ones), fewest=fewest)


def _weeks_used(book: Book) -> Uses:
    """Own weeks (0 is the first seven days) in which each first stint was used."""
    own = "DATEDIFF('day', CAST(s.began_at AS DATE), CAST(r.at AS DATE)) // 7"
    found = book.inputs.rows(
        f"""SELECT DISTINCT s.account_id, {own} AS week FROM customer_spans s JOIN known_usage r
            ON r.account_id = s.account_id AND r.at >= s.began_at WHERE s.nth = 1 AND {own} <= {max(AFTER)}"""
    )
    uses: Uses = {}
    for account, week in found:
        uses.setdefault(str(account), set()).add(int(str(week)))
    return uses


def _monday(at: datetime) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
