"""What the command line does with one day's book: from a configuration to scores, a kept run, or a policy's preview."""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from features.config import Settings
from features.engine import Engine
from features.engines import engine_for
from features.snapshots import midnight, span
from features.sources import Staged, stage
from serving import policy as rules
from serving import posted, registry
from serving.assess import situations_of, whole
from serving.book import ScoredDay
from serving.bundle import Bundle
from serving.cold_start import cold_start
from serving.daily import score_day
from serving.delivery import Line, Outside, Target, check_secrets, read_targets
from serving.delivery import ping as send_test
from serving.delivery.loop import utc_now
from serving.delivery.sending import new_client, sender
from serving.errors import ServingError
from serving.policy import Policy, Preview, Scope
from serving.posted import Posted
from serving.run import Kept, run_before, score_and_keep
from serving.stages import Stage
from serving.store import Store, open_store, runs
from serving.store.address import store_url

MEMORY = "500MB"
"""What the engine may hold before it spills, so that a book of 100,000 accounts is scored within 2 GB in all."""


@dataclass(frozen=True)
class Ready:
    """Staged sources, policy and model; `version` is None for a cold start. `posted` are events that count already."""

    settings: Settings
    engine: Engine
    staged: Staged
    policy: Policy
    bundle: Bundle
    version: str | None
    posted: Posted | None

    @property
    def newest(self) -> datetime:
        """The last midnight in the data."""
        return midnight(span(self.engine, self.staged)[1])

    def score(self, day: datetime | None, tell: Stage) -> ScoredDay:
        """A day's book; None for the newest day in the data."""
        about = self.settings, self.engine, self.staged, self.bundle, day or self.newest
        return score_day(*about, version=self.version, tell=tell)


@contextmanager
def ready(settings: Settings, model: str | None, tell: Stage) -> Iterator[Ready]:
    """Everything that days are scored with.

    Args:
        settings: the company.
        model: a version or @alias; None for the champion, else the challenger, else the typical weights.
        tell: progress.
    """
    policy = rules.load(settings.policy_file)
    with engine_for(settings, memory_limit=MEMORY) as engine:
        tell("reading the sources", 0, 1)
        staged = stage(settings, engine)
        early = None
        if settings.engine == "duckdb":
            with opened_store(settings) as store:
                early = posted.count(store, engine, staged)
        tell("model", 0, 1)
        version = registry.resolve(settings, model)
        bundle = cold_start(settings, engine, staged) if version is None else registry.fetch(settings, version)
        yield Ready(settings, engine, staged, policy, replace(bundle, tiers=policy.bands), version, early)


def book(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> ScoredDay:
    """Score a day's book; None for the newest day in the data."""
    with ready(settings, model, tell) as now:
        return now.score(as_of, tell)


def due_on(settings: Settings, day: datetime) -> Scope | None:
    """Which run the company's cadence asks for on a day, by the runs of earlier days; None where nothing is due."""
    policy = rules.load(settings.policy_file)
    with opened_store(settings) as store, store.read() as db:
        past = [run for run in runs.list_runs(db) if run.as_of < day]
    books = [run.as_of for run in past if not run.is_watch]
    last_book, last_run = (moments[-1] if moments else None for moments in (books, [run.as_of for run in past]))
    model = settings.company.business_model
    return rules.scope_due(policy, model, last_book=last_book, last_run=last_run, now=day)


def keep(
    settings: Settings,
    days: Sequence[datetime],
    model: str | None,
    tell: Stage,
    *,
    shadow: bool = False,
    scope: Scope = "book",
) -> list[Kept]:
    """Score the books of some days, in this order, and keep them in the store with everything that follows.

    With `shadow` the challenger scores them too; its runs are kept beside, not shown and not returned. `scope` says
    whom the runs tell of.

    Raises:
        ServingError: there is no challenger to score in the shadow.
    """
    targets = read_targets(settings.delivery, settings.root)
    kept = []
    with ready(settings, model, tell) as now, opened_store(settings) as store:
        rival = _rival(now) if shadow else None
        for day in days:
            kept.append(_keep(now, day, store, targets, tell, scope=scope))
            if rival:
                _keep(rival, day, store, {}, tell, is_shadow=True)
        if kept and kept[-1].is_new:
            _keep_rows(now, days[-1], store, tell)
    return kept


def _keep_rows(now: Ready, day: datetime, store: Store, tell: Stage) -> None:
    """After a new run as of the newest day: what posted events are scored with from now on, and which are done with."""
    with store.read() as db:
        newest = runs.latest(db)
    if newest is None or newest.as_of != day:
        return
    if now.settings.store.keep_rows and now.settings.engine == "duckdb":
        tell("keeping the accounts' rows", 0, 1)
        posted.keep_rows(store, now.engine, now.staged, day, now.posted)
    else:
        posted.keep_none(store)
    if now.posted:
        posted.settle(store, now.posted, day)


def _keep(
    now: Ready,
    day: datetime,
    store: Store,
    targets: Mapping[str, Target],
    tell: Stage,
    *,
    is_shadow: bool = False,
    scope: Scope = "book",
) -> Kept:
    with _without_search_for_cycles():
        return score_and_keep(
            now.settings,
            now.engine,
            now.staged,
            now.bundle,
            day,
            version=now.version,
            policy=now.policy,
            store=store,
            targets=targets,
            is_shadow=is_shadow,
            scope=scope,
            tell=tell,
        )


@contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """A book is many small objects that come and go, none in a cycle; to look for cycles is a quarter of the work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _rival(now: Ready) -> Ready:
    """The same, with the challenger's model."""
    version = registry.version_of(now.settings, registry.CHALLENGER)
    if version is None or version == now.version:
        raise ServingError("there is no @challenger besides the model that scores; `keepwell train` registers one")
    return replace(now, bundle=registry.fetch(now.settings, version), version=version)


def preview(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> Preview:
    """What the policy would do to a day's book."""
    with ready(settings, model, tell) as now, opened_store(settings) as store:
        day = as_of or now.newest
        before, scored = run_before(store, now.policy, day), now.score(day, tell)
        model, among = settings.company.business_model, whole(scored.book)
        return rules.preview(now.policy, situations_of(now.policy, scored, before, business_model=model, among=among))


def ping(settings: Settings, name: str) -> Line:
    """Send a test to a target now.

    Raises:
        ServingError: there is no such target, or its secrets are missing.
    """
    targets = read_targets(settings.delivery, settings.root)
    if name not in targets:
        known = ", ".join(targets) or "none is configured; see [delivery.targets.NAME]"
        raise ServingError(f"{name} is no delivery target; there is {known}")
    check_secrets([targets[name]], os.environ)
    with opened_store(settings) as store, new_client() as client:
        return send_test(store, targets[name], Outside(utc_now, sender(client), os.environ))


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The company's store, closed at the end."""
    store = open_store(store_url(settings))
    try:
        yield store
    finally:
        store.close()
