"""From a posted event to the account's next score, among few accounts and among many.

Two companies that differ in the number of their accounts alone are scored and kept as `keepwell score --store` does it.
Then, in turn, an event of another account is posted to each company's API and that account is predicted by its id: the
answer must count the event. Beside it, the stored score of an account without events.

    python -P benchmarks/online.py               # a table; --json for machines, --few and --many for a smaller run

-P keeps this folder, with its features.py, out of the way of the package `features`.
"""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from benchmarks.tools import company
from benchmarks.tools.model import learn
from benchmarks.tools.told import Column, Round, at_most, claim, show, table
from features.config import load
from features.engine import open_engine
from features.snapshots import midnight
from features.sources import stage
from serving import posted
from serving.api import Limits, ModelHolder, create_app, open_context
from serving.bundle import Bundle
from serving.policy import load as load_policy
from serving.run import score_and_keep
from serving.store import keys, open_store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

EVENTS_EACH = 100
SECRET = b"a secret of 32 bytes and some more"
NOW = company.END + timedelta(hours=12)
HAPPENED = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
EACH = 5
"""Accounts asked about in a round."""

COLUMNS = {
    "seconds": Column("ms", 1e3),
    "cpu_seconds": Column("CPU ms", 1e3),
    "stored": Column("stored ms", 1e3),
}
GOAL_RATIO, GOAL_SECONDS = 0.8, 1.0


@dataclass(frozen=True)
class Served:
    """A company's API, a hundred of its accounts, and the seconds that keeping all accounts' rows took."""

    client: Any
    headers: dict[str, str]
    ids: list[str]
    kept: float

    def post_and_score(self, number: int) -> tuple[float, float]:
        """Seconds from posting an event of an account until a score that counts it is there, and of a processor."""
        account = self.ids[number % 50]
        began, worked = perf_counter(), process_time()
        posted = self._ask("/v1/events", {"events": [{"account_id": account, "at": HAPPENED, "event": "login"}]})
        scored = self._ask("/v1/predict", {"account_ids": [account]})["results"][0]
        took = perf_counter() - began, process_time() - worked
        assert posted["results"][0]["status"] == "accepted", posted
        assert (scored["source"], scored["events_since"]) == ("live", 1 + number // 50), scored
        return took

    def stored(self, number: int) -> float:
        """Seconds that the score of an account without events takes."""
        began = perf_counter()
        scored = self._ask("/v1/predict", {"account_ids": [self.ids[50 + number % 50]]})["results"][0]
        took = perf_counter() - began
        assert scored["source"] == "stored", scored
        return took

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(path, json=body, headers=self.headers).json()


@contextmanager
def serving(folder: Path, accounts: int, bundle: Bundle) -> Iterator[Served]:
    """Make, score and serve a company of so many accounts."""
    settings, policy = load(company.make(folder, accounts, EVENTS_EACH * accounts)), load_policy()
    with ExitStack() as stack:
        store = open_store(f"sqlite:///{folder / 'store.db'}")
        stack.callback(store.close)
        with open_engine(folder / "home") as engine:
            staged, day = stage(settings, engine, now=NOW), midnight(NOW)
            score_and_keep(settings, engine, staged, bundle, day, version="1", policy=policy, store=store)
            began = perf_counter()
            posted.keep_rows(store, engine, staged, day, None)
            kept = perf_counter() - began
        with store.write() as db:
            _, key = keys.create(db, name="benchmark", role="decide", at=NOW)
        models = ModelHolder(policy.bands)
        models.put(bundle, "1", at=NOW)
        limits = Limits(per_second=1e6, burst=10**6)
        context = partial(open_context, store, models, policy, secret=SECRET, limits=limits, clock=lambda: NOW)
        client = stack.enter_context(TestClient(create_app(context)))
        headers = {"Authorization": f"Bearer {key}"}
        page = client.get("/v1/accounts", params={"limit": 100}, headers=headers).json()
        yield Served(client, headers, [one["external_id"] for one in page["accounts"]], kept)


def measured(houses: dict[str, Served], rounds: int) -> list[Round]:
    """In turn, after each house has answered once; a round is the median of a few accounts."""
    for house in houses.values():
        house.post_and_score(0)
        house.stored(0)
    found = []
    for k in range(rounds):
        numbers = range(1 + k * EACH, 1 + (k + 1) * EACH)
        times: dict[str, list[tuple[float, ...]]] = {name: [] for name in houses}
        for number in numbers:
            for name, house in houses.items():
                times[name].append((*house.post_and_score(number), house.stored(number)))
        found.append(
            {name: dict(zip(COLUMNS, map(median, zip(*of, strict=True)), strict=True)) for name, of in times.items()}
        )
    return found


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    bundle, _ = learn(100)
    few, many = f"{asked.few:,} accounts", f"{asked.many:,} accounts"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="keepwell-online-")))
        houses = {
            name: stack.enter_context(serving(folder / str(size), size, bundle))
            for name, size in ((few, asked.few), (many, asked.many))
        }
        rounds = measured(houses, asked.rounds)
        kept = houses[many].kept
    slowest = max(one[name]["seconds"] for one in rounds for name in one)
    claims = [
        claim(
            "an event and a score among many, CPU", rounds, many, few, "cpu_seconds", GOAL_RATIO, more_is_better=False
        ),
        claim("a stored score among many", rounds, many, few, "stored", None, more_is_better=False),
        at_most("seconds from an event to the score that counts it", slowest, GOAL_SECONDS),
    ]
    title = f"An event and the next score; keeping the rows of {many} took {kept:.1f} s"
    show(table(title, rounds, COLUMNS), claims, as_json=asked.json)


if __name__ == "__main__":
    main()
