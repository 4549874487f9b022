"""A served book: sixty accounts scored by the small bundle, keys of every role, and a client."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest

from serving.api import Context, Facts, Limits, ModelHolder, create_app, open_context
from serving.api.openapi import document
from serving.api.routes import ENDPOINTS
from serving.assess import assess
from serving.before import Before
from serving.book import ScoredDay, score_book
from serving.bundle import Bundle
from serving.policy import Policy, load
from serving.store import Store, facts, keys, open_store, runs
from serving.store.runs import ModelVersion, NewRun

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

AS_OF = datetime(2026, 3, 2)
NOW = datetime(2026, 3, 2, 6)
ACCOUNTS = 60
SECRET = b"s" * 32
ROLES = ("read", "score", "decide", "admin")


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load()


@pytest.fixture(scope="session")
def day(bundle: Bundle, rows, policy: Policy) -> Callable[..., ScoredDay]:
    """The book of one day; `first` is the place of the first account's row among the fixture's rows."""

    def make(as_of: datetime, first: int = 0) -> ScoredDay:
        some = rows[first : first + ACCOUNTS].copy()
        some[:, 6] = np.nan_to_num(some[:, 6], nan=50.0)
        ids = [f"acme-{i:02}" for i in range(ACCOUNTS)]
        columns = {spec.name: pa.array(some[:, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
        features = pa.table(
            {"account_id": ids, "snapshot_at": pa.array([as_of] * ACCOUNTS, pa.timestamp("us")), **columns}
        )
        baseline = rows[first + 100 : first + 100 + ACCOUNTS]
        usual = {spec.name: pa.array(baseline[:, j], from_pandas=True) for j, spec in enumerate(bundle.features)}
        profile = pa.table(
            {
                "account_id": ids,
                "segment": ["small" if i % 3 else "large" for i in range(ACCOUNTS)],
                "owner": [f"csm-{i % 4}" for i in range(ACCOUNTS)],
                "inactive": pa.array([None] * ACCOUNTS, pa.bool_()),
            }
        )
        book = score_book(
            replace(bundle, tiers=policy.bands),
            features,
            baseline=baseline,
            profile=profile,
            data_as_of={"usage": as_of - timedelta(days=1), "commercial": None},
            model_version="7",
            scored_at=as_of + timedelta(hours=3),
        )
        return ScoredDay(book, features.drop_columns(["snapshot_at"]), pa.table({"account_id": ids, **usual}))

    return make


@dataclass
class Served:
    """A running application on a store of its own; `ask` checks every answer against the OpenAPI document."""

    client: TestClient
    context: Context
    tokens: dict[str, str]
    schema: dict[str, Any] = field(default_factory=lambda: document(ENDPOINTS))

    def ask(self, method: str, path: str, *, key: str | None = "admin", route: str | None = None, **rest: Any) -> Any:
        headers = dict(rest.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(key, key)}"
        answer = self.client.request(method, path, headers=headers, **rest)
        self._check(answer, method.lower(), route or path.partition("?")[0])
        return answer

    def _check(self, answer: Any, method: str, path: str) -> None:
        """The answer has a status, a media type and a shape that the document knows."""
        operation = self.schema["paths"][self._template(path)][method]
        assert str(answer.status_code) in operation["responses"], (answer.status_code, answer.text)
        media_type = answer.headers["content-type"].partition(";")[0]
        told = operation["responses"][str(answer.status_code)]["content"]
        assert media_type in told
        if "json" in media_type and told[media_type]["schema"]:
            schema = {**told[media_type]["schema"], "components": self.schema["components"]}
            jsonschema.Draft202012Validator(schema).validate(answer.json())

    def _template(self, path: str) -> str:
        parts = path.split("/")
        for known in self.schema["paths"]:
            names = known.split("/")
            fits = len(names) == len(parts) and all(
                n == p or n.startswith("{") for n, p in zip(names, parts, strict=True)
            )
            if fits:
                return known
        raise AssertionError(f"{path} is not in the OpenAPI document")


@contextmanager
def _serving(
    store: Store,
    holder: ModelHolder,
    policy: Policy,
    limits: Limits | None,
    clock: Callable[[], datetime],
    **rest: Any,
) -> Iterator[Served]:
    contexts: list[Context] = []

    @contextmanager
    def opening() -> Iterator[Context]:
        facts = Facts("Acme", "saas", "keepwell")
        with open_context(store, holder, policy, facts, secret=SECRET, limits=limits, clock=clock, **rest) as context:
            contexts.append(context)
            yield context

    with store.write() as db:
        tokens = {role: keys.create(db, name=role, role=role, at=NOW)[1] for role in ROLES}
    with TestClient(create_app(opening), raise_server_exceptions=False) as client:
        yield Served(client, contexts[0], tokens)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def holder(bundle: Bundle, policy: Policy) -> ModelHolder:
    held = ModelHolder(policy.bands)
    held.put(bundle, "7", at=NOW, run_id="run-7")
    return held


@pytest.fixture
def serving(store: Store, holder: ModelHolder, policy: Policy) -> Iterator[Callable[..., Served]]:
    """Start an application on the store; `live=None` without a model."""
    with ExitStack() as stack:

        def start(*, store=store, limits: Limits | None = None, live=holder, clock=lambda: NOW, **rest: Any) -> Served:
            held = live or ModelHolder(policy.bands)
            return stack.enter_context(_serving(store, held, policy, limits, clock, **rest))

        yield start


def _keep(store: Store, bundle: Bundle, policy: Policy, day, as_of: datetime, first: int) -> runs.Run:
    scored, held = day(as_of, first), replace(bundle, tiers=policy.bands)
    names = tuple(spec.name for spec in bundle.features)
    about = {**bundle.about, "base_rate": 0.2, "features": [asdict(spec) for spec in bundle.features]}
    model = ModelVersion(version="7", digest="d", run_id="run-7", horizon_days=28, about=about)
    scored_at = as_of + timedelta(hours=3)
    with store.write() as db:
        past = runs.latest(db)
        told = facts.numbers(db, at=as_of)
        before = Before(past.as_of, names, runs.before(db, as_of), facts=told) if past else Before(facts=told)
        found = assess(policy, held, scored, before, business_model="saas")
        runs.put_model(db, model)
        run = NewRun(as_of=as_of, model_version="7", policy_digest=policy.digest, scored_at=scored_at)
        return runs.write_run(db, run, found.rows).run


@pytest.fixture
def keep(store: Store, bundle: Bundle, policy: Policy, day) -> Callable[..., runs.Run]:
    """Write a run of a day into the store."""
    return lambda as_of=AS_OF, first=0: _keep(store, bundle, policy, day, as_of, first)


@pytest.fixture
def served(serving, keep) -> Served:
    """Two runs a week apart, a live model, and a client."""
    keep(AS_OF - timedelta(days=7), first=200)
    keep()
    return serving()


@pytest.fixture(scope="module")
def module_served(tmp_path_factory, bundle: Bundle, policy: Policy, day) -> Iterator[Served]:
    """As `served`, for tests that change nothing."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('served') / 'store.db'}")
    held = ModelHolder(policy.bands)
    held.put(bundle, "7", at=NOW, run_id="run-7")
    for as_of, first in ((AS_OF - timedelta(days=7), 200), (AS_OF, 0)):
        _keep(opened, bundle, policy, day, as_of, first)
    with _serving(opened, held, policy, Limits(per_second=10_000, burst=10_000), lambda: NOW) as served:
        yield served
    opened.close()
