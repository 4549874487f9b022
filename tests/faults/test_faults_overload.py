"""More is offered than can be done: what can be done is done, the rest is told to come again."""

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from time import monotonic

import pytest

LONG = pytest.mark.slow, pytest.mark.faults
PEAK_CONNECTIONS = 8
"""As many as compute at a time: the service is busy, and nobody is turned away."""
CONNECTIONS = 96
GOOD = 0.9
GROWTH = 1.2
ROWS = [{"external_id": f"x{i}", "features": {"nps_last": i % 11, "mrr": 50.0 + i}} for i in range(50)]


@dataclass
class Told:
    """What was answered, after how many seconds each by status, and what was wrong with an answer."""

    statuses: Counter = field(default_factory=Counter)
    waits: dict = field(default_factory=lambda: defaultdict(list))
    faults: list = field(default_factory=list)
    goodput: float = 0.0

    def __add__(self, other):
        waits = {status: self.waits[status] + other.waits[status] for status in {*self.waits, *other.waits}}
        return Told(
            self.statuses + other.statuses,
            defaultdict(list, waits),
            self.faults + other.faults,
            self.goodput + other.goodput,
        )


def words(live):
    body = json.dumps({"rows": ROWS}).encode()
    lines = ["POST /v1/predict HTTP/1.1", "Host: x", f"X-API-Key: {live.tokens['score']}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def answer_of(reader):
    """Status and headers of an answer on a connection that stays open; its body is read."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers


async def client(port, ask, until, pause, told):
    """Ask on one connection, a request each `pause` seconds at most."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = monotonic()
    while (now := monotonic()) < until:
        await asyncio.sleep(max(0.0, due - now))
        due = max(due + pause, now)
        began = monotonic()
        writer.write(ask)
        status, headers = await answer_of(reader)
        told.statuses[status] += 1
        told.waits[status].append(monotonic() - began)
        if status == 429 and not headers.get("retry-after", "").isdigit():
            told.faults.append(headers)
    writer.close()


def offered(live, *, connections, seconds, rate=None):
    """Offer `rate` requests a second over so many connections; None: each asks again when it was answered."""
    told, ask = Told(), words(live)
    pause = connections / rate if rate else 0.0

    async def main():
        until = monotonic() + seconds
        clients = (client(live.port, ask, until, pause, told) for _ in range(connections))
        async with asyncio.timeout(seconds + 60):
            await asyncio.gather(*clients)

    started = monotonic()
    asyncio.run(main())
    told.goodput = told.statuses[200] / (monotonic() - started)
    return told


def worked(live):
    """Processor seconds of the service so far."""
    return sum(sum(one.cpu_times()[:2]) for one in live.family())


@pytest.mark.parametrize(("rounds", "seconds"), [pytest.param(1, 1, id="1"), pytest.param(10, 3, id="10", marks=LONG)])
def test_four_times_the_capacity_is_answered_200_or_429_and_then_all_is_well(live, rounds, seconds):
    """Goodput is that of a second of the service's processor: what else the machine does meanwhile is not in it."""
    offered(live, connections=PEAK_CONNECTIONS, seconds=0.5)
    peak, over, cost = Told(), Told(), [0.0, 0.0]
    with live.memory_below(GROWTH):
        for _ in range(rounds):
            began = worked(live)
            peak += (last := offered(live, connections=PEAK_CONNECTIONS, seconds=seconds))
            between = worked(live)
            over += offered(live, connections=CONNECTIONS, seconds=seconds, rate=4 * last.goodput)
            cost = [cost[0] + between - began, cost[1] + worked(live) - between]
    kept = (over.statuses[200] / cost[1]) / (peak.statuses[200] / cost[0])
    waits = {status: median(waited) for status, waited in over.waits.items()}
    print(f"goodput x{kept:.2f}, by the clock x{over.goodput / peak.goodput:.2f}")  # noqa: T201
    print(peak.statuses, over.statuses, "median waits", waits)  # noqa: T201
    assert set(peak.statuses) == {200}
    assert set(over.statuses) == {200, 429}
    assert over.faults == []
    assert set(offered(live, connections=1, seconds=0.2).statuses) == {200}
    if rounds > 1:
        assert kept >= GOOD
        assert waits[429] < waits[200]
