"""One batch run: the book of a day through the policy into the store, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import starmap

import pyarrow as pa
from sqlalchemy import Connection

from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from serving import policy as rules
from serving.assess import assess, whole
from serving.before import Before
from serving.book import ScoredDay
from serving.bundle import Bundle
from serving.daily import score_day
from serving.delivery import Target
from serving.holding import Holding, hold_out, holding, withheld
from serving.keeping import Keeping
from serving.policy import Alert, Policy, Scope, look_back
from serving.stages import Stage, silent
from serving.store import Store, facts, runs
from serving.store import alerts as alert_log
from serving.store.runs import ModelVersion, NewRun
from serving.store.score_rows import Placed

COLD_START = "cold-start"
"""The model version of scores by the typical weights."""

PART = 2000
"""Accounts that are assessed and written at once: the memory knob."""


@dataclass(frozen=True)
class Kept:
    """A run in the store, and its `book` (see `serving.book.score_book`).

    `is_new`: written by this call; else it was there and nothing was changed, nobody told. `alerts` says in a sentence
    what was told and what waits. `due` counts the accounts that a watch run was about, None for a run about all.
    """

    book: pa.Table
    run: runs.Run
    is_new: bool
    alerts: str
    due: int | None = None


@dataclass(frozen=True)
class Earlier:
    """What the store knows from before a run: the last run and the last of the whole book, if there are any.

    `before` has everything but the accounts' scores, which are read for some accounts at a time.
    """

    before: Before
    last: runs.Run | None = None
    book: runs.Run | None = None

    def of(self, db: Connection, account_ids: Sequence[str] | None = None) -> Before:
        """With the scores of these accounts, or of all."""
        if self.last is None:
            return self.before
        scores = runs.scores_of(db, self.last, account_ids)
        book = Before(self.book.as_of, scores=runs.scores_of(db, self.book, account_ids)) if self.book else None
        return replace(self.before, scores=scores, book=book)


def score_and_keep(
    settings: Settings,
    engine: Engine,
    staged: Staged,
    bundle: Bundle,
    day: datetime,
    *,
    version: str | None,
    policy: Policy,
    store: Store,
    targets: Mapping[str, Target] | None = None,
    is_shadow: bool = False,
    scope: Scope = "book",
    tell: Stage = silent,
) -> Kept:
    """Score the book of a day and keep it with its risk levels, actions, warning signs and alerts, all or nothing.

    The same (day, model, policy) again changes nothing. `targets` are those who are told. A shadow run is kept
    and not shown; it tells nobody, and neither does a run of a day before the latest one. A run of the scope `watch`
    scores the book too, and tells of those accounts alone that are due.

    Raises:
        ServingError: nobody is to be scored on that day, or the store cannot be written.
    """
    bundle = replace(bundle, tiers=policy.bands)
    scored = score_day(settings, engine, staged, bundle, day, version=version, tell=tell)
    run = NewRun(
        as_of=day,
        model_version=version or COLD_START,
        policy_digest=policy.digest,
        scored_at=datetime.now(UTC).replace(tzinfo=None),
        is_shadow=is_shadow,
        is_watch=scope == "watch",
    )
    return keep_scored(
        store,
        policy,
        bundle,
        scored,
        run,
        business_model=settings.company.business_model,
        drawing=holding(settings, store),
        targets=targets or {},
        tell=tell,
    )


def keep_scored(
    store: Store,
    policy: Policy,
    bundle: Bundle,
    scored: ScoredDay,
    run: NewRun,
    *,
    business_model: str,
    drawing: Holding,
    targets: Mapping[str, Target],
    tell: Stage = silent,
) -> Kept:
    """Apply the policy to a scored book and write the run, some accounts at a time, in one transaction."""
    news: list[Alert] = []
    held: set[str] = set()
    due, n = 0, len(scored.book)
    with store.write() as db:
        keeping = Keeping(db, model_of(bundle, run.model_version), run, outline(scored.book), targets)
        if not keeping.written.is_new:
            return Kept(scored.book, keeping.written.run, False, "nobody is told again")
        earlier, among = before_run(db, policy, run.as_of), whole(scored.book)
        for start in range(0, n, PART):
            tell("policy", start, n)
            part = scored.part(start, PART)
            past = earlier.of(db, part.book["account_id"].to_pylist())
            scope: Scope = "watch" if run.is_watch else "book"
            found = assess(policy, bundle, part, past, business_model=business_model, scope=scope, among=among)
            drawn = hold_out(found.rows, drawing, run.as_of)
            tell("encoding", start, n)
            ready = keeping.bound(replace(found, rows=drawn.rows), drawn.drawn)
            tell("store", start, n)
            keeping.add(ready)
            news += found.news
            held |= drawn.accounts
            due += len(found.due or ())
        tell("store", n, n)
        news += rules.stale(
            policy, found.situations, sum(risk or 0.0 for risk in scored.book["value_at_risk"].to_pylist())
        )
        alerts = withheld(rules.within_budget(policy, news, earlier.before.alerts, now=run.as_of), held)
        keeping.end(alerts)
    return Kept(scored.book, keeping.written.run, True, alerts.told, due if run.is_watch else None)


def outline(book: pa.Table) -> list[Placed]:
    """What the places of a book's accounts go by."""
    return list(starmap(Placed, zip(*(book[name].to_pylist() for name in Placed._fields), strict=True)))


def run_before(store: Store, policy: Policy, day: datetime) -> Before:
    """What the store knows of the last run before a day, of the alerts of the cool-down, and of facts told by then."""
    with store.read() as db:
        return before_run(db, policy, day).of(db)


def before_run(db: Connection, policy: Policy, day: datetime) -> Earlier:
    """As `run_before`, with the accounts' scores left for later."""
    past = [run for run in runs.list_runs(db) if run.as_of < day]
    alerts, told = alert_log.past(db, since=day - look_back(policy)), facts.numbers(db, at=day)
    waiting = rules.waiting(alerts)
    if not past:
        return Earlier(Before(alerts=alerts, facts=told, waiting=waiting))
    last = past[-1]
    model = runs.model(db, last.model_version)
    names = tuple(spec["name"] for spec in model.about["features"]) if model else ()
    book = next((run for run in reversed(past) if not run.is_watch), None) if last.is_watch else None
    return Earlier(Before(last.as_of, names, alerts=alerts, facts=told, waiting=waiting), last, book)


def model_of(bundle: Bundle, version: str) -> ModelVersion:
    """What readers of the store ask of the model that scored."""
    trained = bundle.about.get("trained_at")
    return ModelVersion(
        version=version,
        digest=bundle.digest,
        trained_at=datetime.fromisoformat(trained).replace(tzinfo=None) if trained else None,
        horizon_days=bundle.about.get("horizon_days"),
        about={
            **bundle.about,
            "features": [asdict(spec) for spec in bundle.features],
            "weights": dict(bundle.weights),
            "health_components": list(bundle.health_components),
            "tiers": [asdict(tier) for tier in bundle.tiers],
        },
    )
