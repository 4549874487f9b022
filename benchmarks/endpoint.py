"""One prediction over HTTP by 8 connections: keepwell, two stock `@bentoml.api`, and bare Starlette, the ceiling.

A bundle of 60 features is made from made-up accounts. Each contender is a server process of its own that scores one
row and answers the same JSON. `bentoml, our functions` is a stock service that calls the very functions that keepwell
calls; in `bentoml, lightgbm` the model is LightGBM's own Booster, as a user of BentoML would have it. keepwell also
checks a key, reads JSON strictly, counts, logs and keeps an audit log; of it the limit of requests a second and key is
lifted. Everybody runs as it comes: keepwell by `keepwell serve` with a process a core, a stock service with one. So the
goals, which are for keepwell as it comes against each stock service, compare several processes with one; what one
process of keepwell does is told beside, without a goal.

This process asks them in turn, several rounds, on 127.0.0.1 alone. Ratios above 1 are in keepwell's favour. `CPU ms` is
what a server's processes used of the processors for a request: it tells more than requests a second where others use
the machine too.

    python -P benchmarks/endpoint.py               # a table; --json for machines, --seconds for a shorter run

-P keeps this folder, with its features.py, out of the way of the package `features`.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.tools.load import CONNECTIONS, Server, load
from benchmarks.tools.model import bodies_of, learn
from benchmarks.tools.servers import cpu_seconds, first_answer, ports, running
from benchmarks.tools.told import Column, Round, at_most, claim, show, table
from benchmarks.tools.work import BUNDLE
from serving.bundle import Bundle, save
from serving.environ import WORKERS, usual_workers
from serving.store import keys, open_store

FASTER, STEADIER, FASTER_SCORE = 2.0, 2.0, 3.0
WARM_SECONDS = 0.5
MOMENTS = ("scored_at", "as_of", "renewal_at", "recommended_actions")
"""Parts of a result that depend on when it was asked for."""
KEEPWELL, ALONE = "keepwell", "keepwell, one process"
STOCKS, BARE = ("bentoml, our functions", "bentoml, lightgbm"), "starlette"
RATE, TAIL, CPU = "requests/s", "p99 ms", "CPU ms"
COLUMNS = {what: Column(what) for what in (RATE, "p50 ms", TAIL)} | {CPU: Column(CPU, form=",.2f")}
CONFIG = """
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""


@contextmanager
def servers(bundle: Bundle, folder: Path) -> Iterator[dict[str, Server]]:
    """The contenders, started in processes of their own and stopped at the end."""
    save(bundle, folder / "bundle")
    (folder / "keepwell.toml").write_text(CONFIG, encoding="utf-8")
    store, root = f"sqlite:///{folder / 'store.db'}", str(Path(__file__).parents[1])
    environ = {
        **os.environ,
        **{BUNDLE: str(folder / "bundle"), "KEEPWELL_CONFIG": str(folder / "keepwell.toml"), "PYTHONPATH": root},
        **{"KEEPWELL_STORE_URL": store, "KEEPWELL_REQUESTS_PER_SECOND": "1000000", "BENTOML_DO_NOT_TRACK": "True"},
    }
    key, free = {"X-API-Key": new_key(store)}, ports(5)
    bentoml = [sys.executable, "-m", "bentoml", "serve"]
    commands = {
        KEEPWELL: ([*bentoml, "serving.service:Keepwell"], "/v1/predict", key, {WORKERS: str(usual_workers())}),
        ALONE: ([*bentoml, "serving.service:Keepwell"], "/v1/predict", key, {WORKERS: "1"}),
        STOCKS[0]: ([*bentoml, "benchmarks.tools.stock:Ours"], "/predict", {}, {}),
        STOCKS[1]: ([*bentoml, "benchmarks.tools.stock:Plain"], "/predict", {}, {}),
        BARE: ([sys.executable, "-m", "uvicorn", "--factory", "benchmarks.tools.bare:app"], "/predict", {}, {}),
    }
    with ExitStack() as stack:
        found = {}
        for port, (name, (command, path, headers, more)) in zip(free, commands.items(), strict=True):
            at = [*command, "--host", "127.0.0.1", "--port", str(port)]
            pid = stack.enter_context(running(at, environ | more, folder, name))
            found[name] = Server(port, path, pid, headers)
        yield found


def new_key(url: str) -> str:
    """A key that may score, in a new store."""
    store = open_store(url)
    with store.write() as db:
        _, token = keys.create(db, name="benchmark", role="score", at=datetime.now(UTC).replace(tzinfo=None))
    store.close()
    return token


def different(found: dict[str, Server], bodies: list[dict[str, Any]]) -> int:
    """How many first answers are not keepwell's; moments, and what rounding does to numbers, aside."""
    told = [first_answer(server, bodies[0])["results"][0] for server in found.values()]
    same = [rounded({name: value for name, value in one.items() if name not in MOMENTS}) for one in told]
    return sum(one != same[0] for one in same)


def rounded(value: Any) -> Any:
    """The same with all numbers in it to ten digits: looked-up values and LightGBM's differ in the last two."""
    match value:
        case float():
            return float(f"{value:.10g}")
        case dict():
            return {name: rounded(one) for name, one in value.items()}
        case list():
            return [rounded(one) for one in value]
    return value


def play(found: dict[str, Server], bodies: list[dict[str, Any]], seconds: float, rounds: int) -> list[Round]:
    """Warm up, then let the contenders answer in turn."""
    for server in found.values():
        asyncio.run(load(server, bodies, WARM_SECONDS))
    return [{who: turn(server, bodies, seconds) for who, server in found.items()} for _ in range(rounds)]


def turn(server: Server, bodies: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """One contender's turn."""
    before = cpu_seconds(server.pid)
    did = asyncio.run(load(server, bodies, seconds))
    return did | {CPU: 1e3 * (cpu_seconds(server.pid) - before) / did["requests"]}


def compared(what: str, rounds: list[Round], faster: float, steadier: float | None) -> list[dict[str, Any]]:
    """The claims against the stock services: as it comes with goals, one process without."""
    found = []
    for stock in STOCKS:
        of = f"of {what} against {stock}"
        found += [
            claim(f"requests/s {of}", rounds, KEEPWELL, stock, RATE, faster, more_is_better=True),
            claim(f"p99 {of}", rounds, KEEPWELL, stock, TAIL, steadier, more_is_better=False),
            claim(f"requests/s of one process {of}", rounds, ALONE, stock, RATE, None, more_is_better=True),
            claim(f"p99 of one process {of}", rounds, ALONE, stock, TAIL, None, more_is_better=False),
            claim(f"CPU time of one process {of}", rounds, ALONE, stock, CPU, None, more_is_better=False),
        ]
    ceiling = f"requests/s of one process of {what} against bare {BARE}"
    return [*found, claim(ceiling, rounds, ALONE, BARE, RATE, None, more_is_better=True)]


def compete(trees: int, seconds: float, rounds: int, *, as_json: bool) -> None:
    """Learn, start the contenders, compare their answers, ask them in turn, print."""
    bundle, rows = learn(trees)
    full, plain = (bodies_of(bundle, rows, explain=explain) for explain in (True, False))
    with TemporaryDirectory(prefix="keepwell-benchmark-") as folder, servers(bundle, Path(folder)) as found:
        apart = different(found, full) + different(found, plain)
        reasons, scores = (play(found, bodies, seconds, rounds) for bodies in (full, plain))
    claims = [
        *compared("one row with reasons", reasons, FASTER, STEADIER),
        *compared("scores alone", scores, FASTER_SCORE, None),
        at_most("answers that are not keepwell's", apart),
        at_most("errors", sum(told["errors"] for one in (*reasons, *scores) for told in one.values())),
    ]
    size = f"{len(bundle.features)} features, {trees} trees, {CONNECTIONS} connections"
    title = f"one row with reasons: {size}, medians of {rounds} interleaved rounds of {seconds:g} s"
    show([*table(title, reasons, COLUMNS), *table("one row, score alone", scores, COLUMNS)], claims, as_json=as_json)


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
