"""What the command line does with one day's book: from a configuration to scores, a kept run, or a policy's preview."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from features.config import Settings
from features.engine import Engine, open_engine
from features.snapshots import midnight, span
from features.sources import Staged, stage
from serving import policy as rules
from serving import registry
from serving.assess import assess
from serving.bundle import Bundle
from serving.cold_start import cold_start
from serving.daily import ScoredDay, score_day
from serving.delivery import read_targets
from serving.policy import Policy, Preview
from serving.run import Kept, run_before, score_and_keep
from serving.store import Store, open_store
from serving.store.address import store_url

Stage = Callable[[str, int, int], None]
"""Called with (what is being done, units done, units in all)."""


@dataclass(frozen=True)
class Ready:
    """Staged sources, policy and model; `version` is None for a cold start."""

    settings: Settings
    engine: Engine
    staged: Staged
    policy: Policy
    bundle: Bundle
    version: str | None
    day: datetime

    def score(self) -> ScoredDay:
        """The day's book."""
        return score_day(self.settings, self.engine, self.staged, self.bundle, self.day, version=self.version)


@contextmanager
def ready(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> Iterator[Ready]:
    """Everything a day is scored with.

    Args:
        settings: the company.
        as_of: the day; None for the newest in the data.
        model: a version or @alias; None for the champion, else the challenger, else the typical weights.
        tell: progress.
    """
    policy = rules.load(settings.policy_file)
    with open_engine(settings.home_dir) as engine:
        tell("reading the sources", 0, 1)
        staged = stage(settings, engine)
        version = registry.resolve(settings, model)
        bundle = cold_start(settings, engine, staged) if version is None else registry.fetch(settings, version)
        tell("scoring", 0, 1)
        day = as_of or midnight(span(engine, staged)[1])
        yield Ready(settings, engine, staged, policy, replace(bundle, tiers=policy.bands), version, day)


def book(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> ScoredDay:
    """Score a day's book."""
    with ready(settings, as_of, model, tell) as now:
        return now.score()


def keep(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> Kept:
    """Score a day's book and keep it in the store, with everything that follows from it."""
    targets = read_targets(settings.delivery, settings.root)
    with ready(settings, as_of, model, tell) as now, opened_store(settings) as store:
        return score_and_keep(
            settings,
            now.engine,
            now.staged,
            now.bundle,
            now.day,
            version=now.version,
            policy=now.policy,
            store=store,
            targets=targets,
        )


def preview(settings: Settings, as_of: datetime | None, model: str | None, tell: Stage) -> Preview:
    """What the policy would do to a day's book."""
    with ready(settings, as_of, model, tell) as now, opened_store(settings) as store:
        before, scored = run_before(store, now.policy, now.day), now.score()
        found = assess(now.policy, now.bundle, scored, before, business_model=settings.company.business_model)
        return rules.preview(now.policy, found.situations)


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The company's store, closed at the end."""
    store = open_store(store_url(settings))
    try:
        yield store
    finally:
        store.close()
