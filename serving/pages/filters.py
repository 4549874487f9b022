"""The list's filters: from an address to what the store is asked, and back to addresses."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

from pydantic import ValidationError

from serving.api.asks import ListAccounts
from serving.api.problems import Problem, faults_of
from serving.store.accounts import Filters
from serving.store.runs import Run

INSTANT = timedelta(microseconds=1)
LISTED = "25"
"""Accounts on a page, unless asked otherwise."""
FILTERS = ("q", "tier", "risk_level", "segment", "owner", "driver", "renewal_within_days", "disagrees")


def asked(query: Mapping[str, str]) -> ListAccounts:
    """What an address asks for.

    Raises:
        Problem: 422, for a filter that does not exist or a value that it cannot have.
    """
    try:
        return ListAccounts.model_validate({"limit": LISTED, **query})
    except ValidationError as error:
        raise Problem("invalid", "a filter cannot be understood", faults=faults_of(error)) from None


def filters_of(ask: ListAccounts, run: Run) -> Filters:
    """What the store is asked, as the API's list asks it; renewal windows are counted from the run."""
    within = ask.renewal_within_days
    return Filters(
        tier=ask.tier,
        segment=ask.segment,
        owner=ask.owner,
        driver=ask.driver,
        risk_level=ask.risk_level,
        renews_from=None if within is None else run.as_of,
        renews_before=None if within is None else run.as_of + timedelta(days=within) + INSTANT,
        disagrees=ask.disagrees,
        search=ask.q,
    )


def is_filtered(ask: ListAccounts) -> bool:
    """Whether the list leaves any account out."""
    return any(getattr(ask, name) is not None for name in FILTERS)


def link_from(query: Mapping[str, str]) -> Callable[..., str]:
    """Makes addresses of this list with some fields changed (None: left out), from its first page.

    >>> link_from({"tier": "red", "cursor": "x"})("/accounts.csv", sort="health", tier=None)
    '/accounts.csv?sort=health'
    """

    def link(path: str = "/", **changed: object) -> str:
        held: dict[str, object] = {**query, "cursor": None, **changed}
        kept = {name: value for name, value in held.items() if value is not None}
        return f"{path}?{urlencode(kept)}" if kept else path

    return link
