"""The portfolio page: the book by tier now and over time, what changed since last week, and the list of accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum

from sqlalchemy import Connection
from starlette.responses import Response

from serving.api.asks import ListAccounts
from serving.api.origin import age_of
from serving.api.problems import Problem
from serving.errors import ServingError
from serving.pages.book import facets
from serving.pages.door import Visit
from serving.pages.filters import asked, filters_of, is_filtered, link_from
from serving.pages.moves import a_week_before, moves
from serving.policy import Policy
from serving.store import accounts, runs
from serving.store.accounts import Filters
from serving.store.failures import StoreUnavailable
from serving.store.runs import Run, TierCount

YEAR = timedelta(days=365)
MOST_MOVES = 7
"""Changes of tier that are told at once; more after a click."""
DOUBTFUL = Filters(disagrees=True)
MOST_DOUBTFUL = 6
"""Accounts whose health and probability disagree that are shown at once; all of them are in the list."""
UNSCORED, GREY = "unscored", "#767676"


@dataclass(frozen=True)
class TierLine:
    """A tier of the book today; `share` of the accounts in [0, 1], `more` accounts than in the run of a week ago."""

    name: str
    label: str
    colour: str
    accounts: int
    share: float
    yearly_value: float | None
    value_at_risk: float | None
    more: int | None


def show(visit: Visit) -> Response:
    """GET /."""
    ask = asked(visit.query)
    with visit.context.store.read() as db:
        run = runs.latest(db)
        if run is None:
            return visit.page("empty.html")
        page = _page(db, ask, run)
        counts = runs.by_tier(db, since=run.as_of - YEAR)
        past = a_week_before(runs.list_runs(db, since=run.as_of - YEAR), run)
        moved = moves(db, run, past) if past else None
        doubtful = accounts.page(db, DOUBTFUL, limit=MOST_DOUBTFUL)
        doubts = accounts.count(db, DOUBTFUL)
        matching, held = accounts.count(db, filters_of(ask, run)), facets(db, run.id)
    lines = tier_lines(visit.context.policy, counts, run, past)
    return visit.page(
        "portfolio.html",
        run=run,
        past=past,
        policy=visit.context.policy,
        age=age_of(visit.context, run),
        tiers=lines,
        value_at_risk=_sum(line.value_at_risk for line in lines),
        yearly_value=_sum(line.yearly_value for line in lines),
        history=_by_day(counts),
        moves=moved,
        most=MOST_MOVES,
        doubtful=doubtful.accounts if doubtful else [],
        doubts=doubts,
        ask=ask,
        page=page,
        matching=matching,
        is_filtered=is_filtered(ask),
        facets={"segment": held.segment, "owner": held.owner, "driver": held.driver},
        link=link_from(visit.query),
    )


def tier_lines(policy: Policy, counts: Sequence[TierCount], run: Run, past: Run | None) -> list[TierLine]:
    """The book of today by tier, worst first, tiers without accounts too; what has no tier of the policy comes last."""
    now = {count.tier: count for count in counts if count.as_of == run.as_of}
    then = {count.tier: count.accounts for count in counts if past and count.as_of == past.as_of}
    rules = sorted(policy.tiers.values(), key=lambda rule: rule.floor)
    known: list[tuple[str | None, str, str]] = [(rule.id, rule.label, rule.colour) for rule in rules]
    known += [(tier, tier or "Not scored", GREY) for tier in now if tier not in policy.tiers]
    found = []
    for tier, label, colour in known:
        count = now.get(tier) or TierCount(run.as_of, tier, 0, None, None)
        found.append(
            TierLine(
                name=tier or UNSCORED,
                label=label,
                colour=colour,
                accounts=count.accounts,
                share=count.accounts / max(run.accounts, 1),
                yearly_value=count.yearly_value,
                value_at_risk=count.value_at_risk,
                more=count.accounts - then.get(tier, 0) if past else None,
            )
        )
    return found


def _page(db: Connection, ask: ListAccounts, run: Run) -> accounts.Page | None:
    try:
        return accounts.page(db, filters_of(ask, run), sort=ask.sort, limit=ask.limit, cursor=ask.cursor)
    except StoreUnavailable:
        raise
    except ServingError as error:
        raise Problem("not-found", str(error)) from None


def _by_day(counts: Sequence[TierCount]) -> dict[datetime, dict[str, TierCount]]:
    """The book over time: by moment and tier."""
    found: dict[datetime, dict[str, TierCount]] = {}
    for count in counts:
        found.setdefault(count.as_of, {})[count.tier or UNSCORED] = count
    return found


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None
