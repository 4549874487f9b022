"""Prometheus metrics of this process, in a registry of their own."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serving.api.models import ModelHolder

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""


class Metrics:
    """Counts of requests and predictions, and how long requests took. Labels name routes, never accounts."""

    def __init__(self, models: ModelHolder) -> None:
        self._models, self._registry = models, CollectorRegistry()
        asked = "route", "method"
        self._requests = Counter("keepwell_requests", "Requests answered", [*asked, "status"], registry=self._registry)
        self._seconds = Histogram(
            "keepwell_request_seconds", "Seconds until answered", asked, buckets=BUCKETS, registry=self._registry
        )
        self._predicted = Counter("keepwell_predictions", "Rows answered", ["status"], registry=self._registry)
        self._swaps = Gauge("keepwell_model_swaps", "Models taken into service", registry=self._registry)
        self._live = Gauge("keepwell_model_live", "1 for the live version", ["version"], registry=self._registry)

        self._counted, self._timed = cache(self._requests.labels), cache(self._seconds.labels)

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
        live = self._models.current
        self._live.clear()
        if live:
            self._live.labels(live.version or "unregistered").set(1)
        self._swaps.set(self._models.swaps)
        return generate_latest(self._registry)
