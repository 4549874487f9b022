"""Prometheus metrics: counts of all processes that serve together, and the live model of the one that answers."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serving.api.models import ModelHolder

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps what processes count, if this was set when it was imported; BentoML sets it."""


def share(folder: Path) -> None:
    """From now on count in a folder where the processes of this service do, and those of no other."""
    if SHARED in os.environ:
        folder.mkdir(exist_ok=True)
        os.environ[SHARED] = str(folder)


class Metrics:
    """Counts of requests and predictions, and how long requests took. Labels name routes, never accounts.

    `is_shared` tells the counts of all processes that called `share`.
    """

    def __init__(self, models: ModelHolder, *, is_shared: bool = False) -> None:
        counts = CollectorRegistry()
        asked = "route", "method"
        self._requests = Counter("keepwell_requests", "Requests answered", [*asked, "status"], registry=counts)
        self._seconds = Histogram(
            "keepwell_request_seconds", "Seconds until answered", asked, buckets=BUCKETS, registry=counts
        )
        self._predicted = Counter("keepwell_predictions", "Rows answered", ["status"], registry=counts)
        self._counted, self._timed = cache(self._requests.labels), cache(self._seconds.labels)
        self._told = counts
        if is_shared and SHARED in os.environ:
            self._told = CollectorRegistry()
            MultiProcessCollector(self._told, os.environ[SHARED])  # type: ignore[no-untyped-call]
        self._told.register(_Live(models))

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._counted(route, method, str(status)).inc()
        self._timed(route, method).observe(seconds)

    def predicted(self, statuses: dict[str, int]) -> None:
        """So many rows were answered with each status."""
        for status, rows in statuses.items():
            self._predicted.labels(status).inc(rows)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._told)


class _Live(Collector):
    def __init__(self, models: ModelHolder) -> None:
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What the holder says of itself."""
        live = self._models.current
        swaps = GaugeMetricFamily("keepwell_model_swaps", "Models taken into service")
        swaps.add_metric([], self._models.swaps)
        version = GaugeMetricFamily("keepwell_model_live", "1 for the live version", labels=["version"])
        if live:
            version.add_metric([live.version or "unregistered"], 1)
        yield from (swaps, version)
