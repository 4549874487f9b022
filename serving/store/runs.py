"""Runs: the whole book scored as of one moment by one model under one policy, written once or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, null, or_, select

from serving.errors import ServingError
from serving.store import outbox, signs
from serving.store.bulk import execute
from serving.store.outbox import Event
from serving.store.records import columns, first, insert_if_absent, read, row_of
from serving.store.score_rows import Placed, bound_scores, placed, ranks, read_scored, write_tiers
from serving.store.scores import Scored
from serving.store.signs import Sign
from serving.store.tables import model_versions, run_tiers, runs, score_details, scores

SAME = ("as_of", "model_version", "policy_digest", "is_shadow")
"""What makes two runs the same run."""


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A model that scored: `digest` of its bundle, `about` its base rate, weights, tiers and feature specs."""

    version: str
    digest: str
    run_id: str | None = None
    trained_at: datetime | None = None
    horizon_days: int | None = None
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What makes a run that run: its moment, model and policy.

    `is_shadow`: a challenger's, stored but not shown. `is_watch`: it scored the book and told only of accounts that are
    watched more often than the book is due, and of what is urgent.
    """

    as_of: datetime
    model_version: str
    policy_digest: str
    scored_at: datetime
    is_shadow: bool = False
    is_watch: bool = False


@dataclass(frozen=True, kw_only=True)
class Run(NewRun):
    """A run in the store, with the number of accounts it scored."""

    id: int
    accounts: int


@dataclass(frozen=True)
class Written:
    """The run in the store, and whether this call wrote it (False: it was there, nothing was changed)."""

    run: Run
    is_new: bool


@dataclass(frozen=True)
class TierCount:
    """Accounts in one tier of one run, with their yearly value and value at risk (None: no value is known)."""

    as_of: datetime
    tier: str | None
    accounts: int
    yearly_value: float | None
    value_at_risk: float | None


@dataclass(frozen=True)
class Change:
    """An account between two runs; health and tier are None on the side on which it was not scored."""

    account_id: str
    name: str | None
    owner: str | None
    health_before: float | None
    health_score: float | None
    tier_before: str | None
    tier: str | None
    value_at_risk: float | None
    change: dict[str, Any] | None


def put_model(db: Connection, model: ModelVersion) -> None:
    """Keep what readers ask of a model version; the first writing of a version stands."""
    insert_if_absent(db, model_versions, row_of(model))


def model(db: Connection, version: str) -> ModelVersion | None:
    """A model version that has scored; None for one that has not."""
    query = select(*columns(ModelVersion, model_versions)).where(model_versions.c.version == version)
    return first(db, ModelVersion, query)


def write_run(
    db: Connection,
    run: NewRun,
    scored: Sequence[Scored],
    *,
    raised: Sequence[Sign] = (),
    events: Sequence[Event] = (),
    targets: Sequence[str] = (),
) -> Written:
    """Write a run with its scores, warning signs and events, all in the caller's transaction.

    A run with the same (as_of, model, policy) is there already: nothing is changed, nothing is sent again.

    Args:
        db: of `Store.write`.
        run: what makes it that run.
        scored: the whole book, each account once.
        raised: warning signs that this run raises.
        events: what other systems shall be told.
        targets: names of the targets to which each event goes.
    """
    book = [placed(row.score) for row in scored]
    written = begin(db, run, book)
    if written.is_new:
        for one in bound_scores(db, written.run.id, scored, ranks(book)):
            execute(db, one)
        signs.raise_all(db, raised)
        for event in events:
            outbox.add(db, event, targets)
    return written


def begin(db: Connection, run: NewRun, book: Sequence[Placed]) -> Written:
    """Write a run and its book by tier; the scores follow in the same transaction (`score_rows.bound_scores`).

    Raises:
        ServingError: an account occurs twice.
    """
    twice = len(book) - len({one.account_id for one in book})
    if twice:
        raise ServingError(f"run of {run.as_of:%Y-%m-%d}: {twice} accounts occur twice; score each once")
    is_new = insert_if_absent(db, runs, {**row_of(run), "accounts": len(book)})
    same = [getattr(runs.c, name) == getattr(run, name) for name in SAME]
    written = next(read(db, Run, select(*columns(Run, runs)).where(*same)))
    if is_new:
        write_tiers(db, written.id, book)
    return Written(written, is_new)


def latest(db: Connection) -> Run | None:
    """The shown run with the newest as_of (the last written of several); None in an empty store."""
    return first(db, Run, _shown().order_by(runs.c.as_of.desc(), runs.c.id.desc()))


def before(db: Connection, as_of: datetime) -> dict[str, Scored]:
    """The scores, by account, of the last shown run with an earlier as_of; empty for the first."""
    run = first(db, Run, _shown().where(runs.c.as_of < as_of).order_by(runs.c.as_of.desc(), runs.c.id.desc()))
    return scores_of(db, run) if run else {}


def scores_of(db: Connection, run: Run, account_ids: Sequence[str] | None = None) -> dict[str, Scored]:
    """The scores of a run by account: of these, or of all."""
    return {row.account_id: row for row in read_scored(db, run.id, account_ids)}


def list_runs(db: Connection, *, since: datetime | None = None) -> list[Run]:
    """The shown runs with as_of in [since, now], oldest first; of one as_of only the last written."""
    query = _shown().where(runs.c.id.in_(last_written())).order_by(runs.c.as_of)
    return list(read(db, Run, query if since is None else query.where(runs.c.as_of >= since)))


def by_tier(db: Connection, *, since: datetime | None = None) -> list[TierCount]:
    """The book by tier over time: one row a shown run and tier, oldest first."""
    query = select(*columns(TierCount, run_tiers, runs)).join_from(runs, run_tiers)
    query = query.where(runs.c.id.in_(last_written())).order_by(runs.c.as_of, run_tiers.c.tier)
    return list(read(db, TierCount, query if since is None else query.where(runs.c.as_of >= since)))


def changes(db: Connection, *, since: datetime | None = None) -> list[Change]:
    """Accounts in another tier than before, new or gone (tier None on one side), most value at risk first.

    Args:
        db: of `Store.read`.
        since: compare with the last run at or before this moment; None for the run before the latest.
    """
    run = latest(db)
    if run is None:
        return []
    earlier = runs.c.as_of < run.as_of if since is None else (runs.c.as_of <= since) & (runs.c.as_of < run.as_of)
    past = first(db, Run, _shown().where(earlier).order_by(runs.c.as_of.desc(), runs.c.id.desc()))
    if past is None:
        return []
    return [*read(db, Change, _moved(run.id, past.id)), *read(db, Change, _gone(run.id, past.id))]


def _shown() -> Select[Any]:
    return select(*columns(Run, runs)).where(runs.c.is_shadow.is_(False))


def last_written() -> Select[Any]:
    """Ids of the shown runs that are the last of their as_of."""
    return select(func.max(runs.c.id)).where(runs.c.is_shadow.is_(False)).group_by(runs.c.as_of)


def _moved(run_id: int, past_id: int) -> Select[Any]:
    new, old = scores.alias("new"), scores.alias("old")
    before = (old.c.account_id == new.c.account_id) & (old.c.run_id == past_id)
    why = (score_details.c.account_id == new.c.account_id) & (score_details.c.run_id == run_id)
    return (
        select(
            *new.c["account_id", "name", "owner", "health_score", "tier", "value_at_risk"],
            old.c.health_score.label("health_before"),
            old.c.tier.label("tier_before"),
            score_details.c.change,
        )
        .join_from(new, old, before, isouter=True)
        .join(score_details, why)
        .where(new.c.run_id == run_id, or_(old.c.account_id.is_(None), old.c.tier.is_distinct_from(new.c.tier)))
        .order_by(new.c.risk_rank)
    )


def _gone(run_id: int, past_id: int) -> Select[Any]:
    old = scores.alias("old")
    still_there = select(scores.c.account_id).where(scores.c.run_id == run_id)
    return (
        select(
            *old.c["account_id", "name", "owner", "value_at_risk"],
            null().label("health_score"),
            null().label("tier"),
            old.c.health_score.label("health_before"),
            old.c.tier.label("tier_before"),
            null().label("change"),
        )
        .where(old.c.run_id == past_id, old.c.account_id.not_in(still_there))
        .order_by(old.c.risk_rank)
    )
