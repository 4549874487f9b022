"""What a request may use: opened once when the application starts, never at import."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from time import monotonic

from retention import house
from retention.reasons.causes import Vocabulary
from serving.api.access import Access
from serving.api.limits import Gate, Limits, Rates
from serving.api.metrics import Metrics, share
from serving.api.models import ModelHolder
from serving.api.together import SharedBuckets, Together
from serving.api.trail import Trail
from serving.online import Inputs, ValueRanks
from serving.policy import Policy
from serving.store import Store

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now as naive UTC, as the store keeps moments."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Facts:
    """What requests ask of the configuration: whose company it is, how it does business, how its model is called."""

    company: str = "company"
    business_model: str = "saas"
    model_name: str = "keepwell"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a request may use; `app.state.context` and `request.app.state.context`.

    `work` bounds requests that compute, `reading` those whose body is still arriving, `heavy` those with a large one;
    `submitted` wakes the worker of jobs. `together` are the processes that serve beside this one, if there are any.
    `inputs` are built of accounts with posted events, `ranks` are those by value. `causes` are those of retention.toml.
    """

    store: Store
    models: ModelHolder
    policy: Policy
    facts: Facts
    access: Access
    trail: Trail
    metrics: Metrics
    limits: Limits
    work: Gate
    reading: Gate
    heavy: Gate
    rates: Rates
    submitted: Event
    inputs: Inputs
    ranks: ValueRanks
    causes: Vocabulary
    together: Together | None = None
    clock: Clock = utc_now


@contextmanager
def open_context(
    store: Store,
    models: ModelHolder,
    policy: Policy,
    facts: Facts | None = None,
    *,
    secret: bytes,
    causes: Vocabulary | None = None,
    limits: Limits | None = None,
    together: Together | None = None,
    clock: Clock = utc_now,
    ticks: Callable[[], float] = monotonic,
    with_worker: bool = True,
) -> Iterator[Context]:
    """The context with its threads (audit log, jobs) running; they end, and the audit log is written, at the end.

    Args:
        store: where scores, keys and decisions are.
        models: the live model.
        policy: the rules in force.
        facts: of the company's configuration.
        secret: signs cookies, at least 32 bytes (see `access.secret_of`).
        causes: of losses, those of the company's retention.toml; by default the shipped ones.
        limits: how much a client may ask for.
        together: the processes that serve beside this one: limits of a key, and metrics, are those of all.
        clock: now, naive UTC.
        ticks: seconds that never go back.
        with_worker: whether to do jobs here.
    """
    from serving.api.worker import Worker  # jobs use the context

    limits = limits or Limits()
    trail, buckets = Trail(store), None
    if together:
        share(together.folder / "metrics")
        buckets = SharedBuckets(together.folder / "buckets")
    context = Context(
        store=store,
        models=models,
        policy=policy,
        facts=facts or Facts(),
        access=Access(store, secret, clock, ticks=ticks),
        trail=trail,
        metrics=Metrics(models, is_shared=together is not None),
        limits=limits,
        work=Gate(limits.running, limits.waiting, limits.wait_seconds),
        reading=Gate(limits.reading, 0, 0.0),
        heavy=Gate(limits.heavy, limits.waiting, limits.body_seconds),
        rates=Rates(limits.per_second, limits.burst, ticks=ticks, buckets=buckets),
        submitted=Event(),
        inputs=Inputs(),
        ranks=ValueRanks(),
        causes=causes or Vocabulary(house.load().causes),
        together=together,
        clock=clock,
    )
    worker = Worker(context) if with_worker else None
    with trail:
        if worker:
            worker.start()
        try:
            yield context
        finally:
            if worker:
                worker.stop()
            context.inputs.close()
