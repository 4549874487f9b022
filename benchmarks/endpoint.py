"""One prediction over HTTP by 8 connections: keepwell, a stock `@bentoml.api`, and bare Starlette, the ceiling.

A bundle of 60 features is made from made-up accounts. Each contender is a server process of its own that scores one
row and answers the same JSON by the same functions; keepwell also checks a key, counts, logs and keeps an audit log.
BentoML and Starlette run as they come; of keepwell the limit of requests a second and key is lifted. This process
asks them in turn, several rounds, on 127.0.0.1 alone. Ratios above 1 are in keepwell's favour.

    python -P benchmarks/endpoint.py               # a table; --json for machines, --seconds for a shorter run

-P keeps this folder, with its features.py, out of the way of the package `features`.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from math import isnan
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from features import commercial, feedback, relationship, support, usage
from features.declare import Feature
from serving.booster import Booster
from serving.bundle import Bundle, probe_of, save, spec_of
from serving.calibration import Calibration, sigmoid
from serving.health import Scale, weights
from serving.score import by_component
from serving.store import keys, open_store

FASTER, STEADIER, FASTER_SCORE = 2.0, 2.0, 3.0
CONNECTIONS = 8
LEARN_FROM = 4000
START_SECONDS = 120.0
WARM_SECONDS = 0.5
BODIES = 64
"""Different accounts that are asked about in turn."""
RATE = "requests/s"
MOMENTS = ("scored_at", "as_of", "renewal_at", "recommended_actions")
"""Parts of a result that depend on when it was asked for."""
OK = 200
HEALTH = ("usage", "feedback", "support", "relationship")

Rows = NDArray[np.float64]

CONFIG = """
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""

WORK = '''
"""What keepwell does for a prediction, with nothing around it."""

import os
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

from serving.api import Facts, ModelHolder
from serving.api.answers import Predictions
from serving.api.context import utc_now
from serving.api.origin import live_model
from serving.api.planning import Stored
from serving.api.predict import results
from serving.policy import load

policy = load(None)
models = ModelHolder(policy.bands)
assert models.offer(Path(os.environ["KEEPWELL_BUNDLE"]), None, at=utc_now()), models.refused
context = SimpleNamespace(clock=utc_now, policy=policy, facts=Facts())


def predict(rows, factors, explain):
    found = results(context, models.current, Stored(), rows, factors=factors, explain=explain)
    return Predictions(request_id=uuid4().hex, model=live_model(context, models.current), results=found)
'''

STOCK = """
import bentoml
import work
from serving.api.answers import Predictions
from serving.api.asks import Row


@bentoml.service
class Stock:
    @bentoml.api
    def predict(self, rows: list[Row], max_top_factors: int = 3, explain: bool = True) -> Predictions:
        return work.predict(rows, max_top_factors, explain)
"""

BARE = """
import json

import work
from serving.api.asks import Predict
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def predict(request):
    ask = Predict.model_validate(json.loads(await request.body()))
    found = work.predict(ask.rows, ask.max_top_factors, ask.explain)
    return Response(found.model_dump_json(), media_type="application/json")


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
"""


def declared() -> list[Feature]:
    """Sixty of the features that companies have."""
    return [
        *usage.features(())[:24],
        *feedback.features()[:10],
        *support.features()[:10],
        *relationship.features()[:6],
        *commercial.features({})[:10],
    ]


def learn(trees: int) -> tuple[Bundle, Rows]:
    """A bundle whose model tells made-up accounts apart, and the accounts, a tenth of their inputs unknown."""
    rng = np.random.default_rng(0)
    specs = tuple(spec_of(feature) for feature in declared())
    rows = np.floor(rng.exponential(20, (LEARN_FROM, len(specs))))
    risk = (np.log1p(rows) - 2.5) @ rng.normal(size=len(specs)) / 3 - 2
    rows[rng.random(rows.shape) < 0.1] = np.nan
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 0}
    churned = (rng.random(LEARN_FROM) < sigmoid(risk)).astype(float)
    booster = Booster(lgb.train(settings, lgb.Dataset(rows, churned), trees).model_to_string())
    slopes = dict.fromkeys((spec.component for spec in specs), 0.9)
    draws = np.array([-2.0, *slopes.values()]) + 0.1 * rng.normal(size=(200, 1 + len(slopes)))
    words: dict[str, Any] = {"event_names": [], "all_events": [], "categories": {}}
    draft = Bundle(specs, words, booster, Calibration(-2.0, slopes, draws), {}, {}, HEALTH)
    terms = 0.9 * by_component(draft, booster.contributions(rows)[:, :-1])
    low, high = np.quantile(terms, [0.01, 0.99], axis=0)
    scales = {name: Scale(float(low[i]), float(high[i])) for i, name in enumerate(slopes)}
    made = {"scales": scales, "weights": weights({name: scales[name] for name in HEALTH}), "about": {"base_rate": 0.1}}
    learned = Bundle(**{**vars(draft), **made})
    learned.probe.update(probe_of(learned, rows[:8]))
    return learned, rows


@dataclass(frozen=True)
class Server:
    """A contender: where it answers, with which headers."""

    port: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, body: dict[str, Any]) -> bytes:
        """A POST as it goes over the wire."""
        content = json.dumps(body).encode()
        given = {
            "Host": "127.0.0.1",
            "Content-Type": "application/json",
            "Content-Length": len(content),
            **self.headers,
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        return "\r\n".join(lines).encode() + content


@contextmanager
def servers(bundle: Bundle, folder: Path) -> Iterator[dict[str, Server]]:
    """The contenders, started in processes of their own and stopped at the end."""
    save(bundle, folder / "bundle")
    sources = {"work": WORK, "stock": STOCK, "bare": BARE}
    for name, text in sources.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "keepwell.toml").write_text(CONFIG, encoding="utf-8")
    store = f"sqlite:///{folder / 'store.db'}"
    ours, stock, bare = ports(3)
    bentoml, at = [sys.executable, "-m", "bentoml", "serve"], ["--host", "127.0.0.1", "--port"]
    commands = [
        [*bentoml, "serving.service:Keepwell", *at, str(ours)],
        [*bentoml, "stock:Stock", *at, str(stock)],
        [sys.executable, "-m", "uvicorn", "bare:app", *at, str(bare)],
    ]
    environ = {
        **os.environ,
        **{"KEEPWELL_BUNDLE": str(folder / "bundle"), "KEEPWELL_CONFIG": str(folder / "keepwell.toml")},
        **{"KEEPWELL_STORE_URL": store, "KEEPWELL_REQUESTS_PER_SECOND": "1000000", "BENTOML_DO_NOT_TRACK": "True"},
        "PYTHONPATH": str(folder),
    }
    with ExitStack() as stack:
        key = {"X-API-Key": new_key(store)}
        for command in commands:
            stack.enter_context(running(command, environ, folder))
        found = {
            "keepwell": Server(ours, "/v1/predict", key),
            "bentoml": Server(stock, "/predict"),
            "starlette": Server(bare, "/predict"),
        }
        yield found


def ports(count: int) -> list[int]:
    """Ports that are free now."""
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.create_server(("127.0.0.1", 0)))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


def new_key(url: str) -> str:
    """A key that may score, in a new store."""
    store = open_store(url)
    with store.write() as db:
        _, token = keys.create(db, name="benchmark", role="score", at=datetime.now(UTC).replace(tzinfo=None))
    store.close()
    return token


@contextmanager
def running(command: list[str], environ: dict[str, str], folder: Path) -> Iterator[None]:
    """A process in a folder, its log written there, that ends with its children."""
    with (folder / f"{abs(hash(command[-1]))}.log").open("wb") as log:
        process = Popen(command, env=environ, cwd=folder, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def first_answer(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request that waits until the server is ready.

    Raises:
        TimeoutError: it is not in time, or it refuses.
    """
    headers, until = {"Content-Type": "application/json", **server.headers}, monotonic() + START_SECONDS
    while monotonic() < until:
        asked = HTTPConnection("127.0.0.1", server.port, timeout=START_SECONDS)
        try:
            asked.request("POST", server.path, json.dumps(body), headers)
            answer = asked.getresponse()
            if answer.status == OK:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except ConnectionError:
            pass
        finally:
            asked.close()
        sleep(0.1)
    raise TimeoutError(f"{server.path} on port {server.port} gives no answer within {START_SECONDS:g} seconds")


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered, until a moment; then `ended` is done."""

    def __init__(self, requests: list[bytes], first: int, until: float) -> None:
        self.requests, self.at, self.until = requests, first, until
        self.seconds: list[float] = []
        self.errors = 0
        self.ended = asyncio.get_running_loop().create_future()
        self.received = bytearray()
        self.last = b""

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.asked_at = perf_counter()
        if self.asked_at >= self.until:
            self.transport.close()
            return
        self.transport.write(self.requests[self.at % len(self.requests)])
        self.at += 1

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; when it is whole, ask again."""
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end or len(rest) < length_of(head):
            return
        self.seconds.append(perf_counter() - self.asked_at)
        self.errors += not head.startswith(b"HTTP/1.1 200") or b'"status":"ok"' not in rest
        self.last = bytes(rest)
        self.received.clear()
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """The end: ours, after the time is up, or an error."""
        self.errors += perf_counter() < self.until
        if not self.ended.done():
            self.ended.set_result(None)


def length_of(head: bytes | bytearray) -> int:
    """What an answer's head says of the length of its body.

    Raises:
        ValueError: nothing.
    """
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    if not named:
        raise ValueError(f"an answer does not say how long it is: {head.decode()}")
    return int(rest.partition(b"\r\n")[0])


async def load(server: Server, bodies: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """Ask for so many seconds by all connections at once; requests a second, p50 and p99 in ms, errors, bytes."""
    loop, requests = asyncio.get_running_loop(), [server.request(body) for body in bodies]
    began = perf_counter()
    starts = range(0, BODIES, BODIES // CONNECTIONS)
    asked = [partial(Connection, requests, first, began + seconds) for first in starts]
    held = [(await loop.create_connection(one, "127.0.0.1", server.port))[1] for one in asked]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(one.ended for one in held))
    took = np.concatenate([one.seconds for one in held])
    middle, tail = 1e3 * np.quantile(took, [0.5, 0.99])
    return {
        "requests/s": len(took) / seconds,
        "p50 ms": float(middle),
        "p99 ms": float(tail),
        "errors": float(sum(one.errors for one in held)),
        "bytes": float(len(held[0].last)),
    }


def bodies_of(bundle: Bundle, rows: Rows, *, explain: bool) -> list[dict[str, Any]]:
    """Requests for one account each."""
    names = [spec.name for spec in bundle.features]
    features = [{n: v for n, v in zip(names, row, strict=True) if not isnan(v)} for row in rows[:BODIES].tolist()]
    return [
        {"rows": [{"external_id": f"account {i}", "features": one}], "max_top_factors": 3, "explain": explain}
        for i, one in enumerate(features)
    ]


def different(found: dict[str, Server], bodies: list[dict[str, Any]]) -> int:
    """How many first answers are not keepwell's; moments aside."""
    told = [first_answer(server, bodies[0])["results"][0] for server in found.values()]
    same = [{name: value for name, value in one.items() if name not in MOMENTS} for one in told]
    return sum(one != same[0] for one in same)


Round = dict[str, dict[str, float]]


def play(found: dict[str, Server], bodies: list[dict[str, Any]], seconds: float, rounds: int) -> list[Round]:
    """Warm up, then let the contenders answer in turn."""
    for server in found.values():
        asyncio.run(load(server, bodies, WARM_SECONDS))
    return [{who: asyncio.run(load(one, bodies, seconds)) for who, one in found.items()} for _ in range(rounds)]


def claim(name: str, rounds: list[Round], control: str, what: str, goal: float | None) -> dict[str, Any]:
    """How many times as good keepwell is as the control; a goal of null is none."""
    pairs = [(one["keepwell"][what], one[control][what]) for one in rounds]
    ratios = [mine / theirs if what == RATE else theirs / mine for mine, theirs in pairs]
    ours, theirs = (median(side) for side in zip(*pairs, strict=True))
    holds = None if goal is None else median(ratios) >= goal
    spread = {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    return {"name": name, "ours": ours, "control": theirs, **spread, "goal": goal, "holds": holds}


def none_of(name: str, count: float) -> dict[str, Any]:
    """The claim that something did not happen."""
    return {"name": name, "ours": count, "control": 0, "ratio": None, "goal": 0, "holds": count == 0}


def table(title: str, rounds: list[Round]) -> list[str]:
    """The medians by contender."""
    lines = [title, f"{'':12}" + "".join(f"{what:>12}" for what in rounds[0]["keepwell"])]
    for who in rounds[0]:
        medians = (median(one[who][what] for one in rounds) for what in rounds[0][who])
        lines.append(f"{who:12}" + "".join(f"{value:>12,.1f}" for value in medians))
    return [*lines, ""]


def told(found: dict[str, Any]) -> str:
    """A claim as a line."""
    goal = "" if found["goal"] is None else f", goal {found['goal']:g}: {'holds' if found['holds'] else 'FAILS'}"
    if found["ratio"] is None:
        return f"{found['name']}: {found['ours']:g}{goal}"
    return f"{found['name']}: {found['ratio']:.2f} times ({found['ratio_low']:.2f} to {found['ratio_high']:.2f}){goal}"


def compete(trees: int, seconds: float, rounds: int, *, as_json: bool) -> None:
    """Learn, start the contenders, compare their answers, ask them in turn, print."""
    bundle, rows = learn(trees)
    full, plain = (bodies_of(bundle, rows, explain=explain) for explain in (True, False))
    with TemporaryDirectory(prefix="keepwell-benchmark-") as folder, servers(bundle, Path(folder)) as found:
        apart = different(found, full) + different(found, plain)
        reasons, scores = (play(found, bodies, seconds, rounds) for bodies in (full, plain))
    errors = sum(told["errors"] for one in (*reasons, *scores) for told in one.values())
    claims = [
        claim("requests/s with reasons against bentoml", reasons, "bentoml", RATE, FASTER),
        claim("p99 with reasons against bentoml", reasons, "bentoml", "p99 ms", STEADIER),
        claim("requests/s of scores alone against bentoml", scores, "bentoml", RATE, FASTER_SCORE),
        claim("p99 of scores alone against bentoml", scores, "bentoml", "p99 ms", None),
        claim("requests/s with reasons against starlette", reasons, "starlette", RATE, None),
        claim("requests/s of scores alone against starlette", scores, "starlette", RATE, None),
        none_of("answers that are not keepwell's", apart),
        none_of("errors", errors),
    ]
    if as_json:
        print(json.dumps({"claims": claims}, indent=2))
        return
    size = f"{len(bundle.features)} features, {trees} trees, {CONNECTIONS} connections"
    title = f"one row with reasons: {size}, medians of {rounds} interleaved rounds of {seconds:g} s"
    print("\n".join([*table(title, reasons), *table("one row, score alone", scores), *map(told, claims)]))


def main() -> None:
    """Read the command line and compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round and contender")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    compete(given.trees, given.seconds, given.rounds, as_json=given.json)


if __name__ == "__main__":
    main()
