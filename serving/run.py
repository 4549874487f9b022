"""One batch run: the book of a day through the policy into the store, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from features.config import Settings
from features.engine import Engine
from features.sources import Staged
from serving.assess import Assessed, assess
from serving.before import Before
from serving.book import ScoredDay
from serving.bundle import Bundle
from serving.daily import score_day
from serving.delivery import Target, enqueue, scored_event
from serving.holding import hold_out, holding
from serving.policy import Alert, Policy, Scope, look_back
from serving.store import Store, facts, holdouts, runs, signs
from serving.store import alerts as alert_log
from serving.store.holdouts import Drawn
from serving.store.outbox import Event
from serving.store.runs import ModelVersion, NewRun, Written
from serving.store.scores import Scored
from serving.store.signs import Sign

COLD_START = "cold-start"
"""The model version of scores by the typical weights."""


@dataclass(frozen=True)
class Kept:
    """A run in the store. `is_new`: written by this call; else it was there and nothing was changed, nobody told.

    `alerts` says in a sentence what was told and what waits. `due` counts the accounts that a watch run was about, None
    for a run about all.
    """

    scored: ScoredDay
    run: runs.Run
    is_new: bool
    alerts: str
    due: int | None = None


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
) -> Kept:
    """Score the book of a day and keep it with its risk levels, actions, warning signs and alerts, all or nothing.

    The same (day, model, policy) again changes nothing. `targets` are those who are told. A shadow run is kept
    and not shown; it tells nobody, and neither does a run of a day before the latest one. A run of the scope `watch`
    scores the book too, and tells of those accounts alone that are due.

    Raises:
        ServingError: nobody is to be scored on that day, or the store cannot be written.
    """
    bundle = replace(bundle, tiers=policy.bands)
    scored = score_day(settings, engine, staged, bundle, day, version=version)
    before = run_before(store, policy, day)
    found = assess(policy, bundle, scored, before, business_model=settings.company.business_model, scope=scope)
    held = hold_out(found, holding(settings, store), day)
    model = model_of(bundle, version or COLD_START)
    run = NewRun(
        as_of=day,
        model_version=model.version,
        policy_digest=policy.digest,
        scored_at=datetime.now(UTC).replace(tzinfo=None),
        is_shadow=is_shadow,
        is_watch=scope == "watch",
    )
    written = keep_run(store, held.found, model, run, targets or {}, held.drawn)
    due = None if found.due is None else len(found.due)
    return Kept(scored, written.run, written.is_new, held.found.alerts.told, due)


def keep_run(
    store: Store,
    found: Assessed,
    model: ModelVersion,
    run: NewRun,
    targets: Mapping[str, Target],
    drawn: Sequence[Drawn] = (),
) -> Written:
    """Write a run and all that follows from it in one transaction; nothing of a run that is there already.

    `drawn` are the accounts that are drawn for or against the holdout in this run.
    """
    with store.write() as db:
        latest = runs.latest(db)
        is_news = not run.is_shadow and (latest is None or latest.as_of <= run.as_of)
        runs.put_model(db, model)
        written = runs.write_run(db, run, found.rows)
        if written.is_new and is_news:
            alert_log.record(db, found.alerts)
            holdouts.draw(db, drawn)
            _keep_signs(db, found, run.as_of)
            mirrored = [scored_event(row, run) for row in found.rows if found.is_due(row.account_id)]
            enqueue(db, [*_events(found), *mirrored], targets)
    return written


def run_before(store: Store, policy: Policy, day: datetime) -> Before:
    """What the store knows of the last run before a day, of the alerts of the cool-down, and of facts told by then."""
    with store.read() as db:
        past = [run for run in runs.list_runs(db) if run.as_of < day]
        alerts, told = alert_log.past(db, since=day - look_back(policy)), facts.numbers(db, at=day)
        if not past:
            return Before(alerts=alerts, facts=told)
        last = past[-1]
        model = runs.model(db, last.model_version)
        names = tuple(spec["name"] for spec in model.about["features"]) if model else ()
        whole = next((run for run in reversed(past) if not run.is_watch), None)
        book = Before(whole.as_of, scores=runs.scores_of(db, whole)) if whole and last.is_watch else None
        return Before(last.as_of, names, runs.scores_of(db, last), alerts, told, book)


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


def _keep_signs(db: Connection, found: Assessed, day: datetime) -> None:
    """Raise what is new, close what no longer holds; an open sign that still holds keeps its deadline.

    Signs of accounts that a watch run is not about stay as they are until their turn.
    """
    now = [sign for sign in _signs(found, day) if found.is_due(sign.account_id)]
    open_ = {(sign.account_id, sign.rule): sign.id for sign in signs.list_open(db)}
    holding = {(sign.account_id, sign.rule) for sign in now}
    signs.raise_all(db, [sign for sign in now if (sign.account_id, sign.rule) not in open_])
    for what, number in open_.items():
        if what not in holding and found.is_due(what[0]):
            signs.close(db, number, at=day, by="run")


def _signs(found: Assessed, day: datetime) -> list[Sign]:
    return [
        Sign(
            account_id=sign.account_id,
            rule=sign.rule,
            at=day,
            severity=sign.severity,
            text=sign.text,
            response={"play": sign.play, "owner": sign.owner, "due_in_hours": sign.due_in_hours},
            due_at=day + timedelta(hours=sign.due_in_hours),
        )
        for warnings in found.warnings.values()
        for sign in warnings
    ]


def _events(found: Assessed) -> list[Event]:
    by_account = {row.account_id: row for row in found.rows}
    return [_event(alert, by_account.get(alert.account_id or "")) for alert in found.alerts.sent]


def _event(alert: Alert, row: Scored | None) -> Event:
    """What a receiver is told: the alert, the account as it stands, and how it stood before."""
    told = {name: value for name, value in asdict(alert).items() if name not in ("attributes", "previous_attributes")}
    return Event(
        kind=alert.kind,
        account_id=alert.account_id,
        body={
            "alert": told,
            "object": dict(alert.attributes) if row is None else asdict(row.score),
            "previous_attributes": dict(alert.previous_attributes),
        },
        created_at=alert.at,
        dedupe_key=f"{alert.key}@{alert.at:%Y-%m-%dT%H:%M}",
    )
