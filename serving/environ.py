"""What the environment says of a service: which company and model, how many processes, and their limits."""

import os
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from serving.errors import ServingError

if TYPE_CHECKING:
    from serving.api import Limits

CONFIG, BUNDLE = "KEEPWELL_CONFIG", "KEEPWELL_BUNDLE"
WORKERS = "KEEPWELL_WORKERS"
MOST_WORKERS = 4
LIMITS = {"KEEPWELL_REQUESTS_PER_SECOND": "per_second", "KEEPWELL_CONCURRENCY": "running"}


def limits_of(environ: Mapping[str, str]) -> "Limits":
    """The limits of one process, with those that the environment replaces.

    Processes share them out, but for the bodies that may arrive at a time: these take little, and a client whose bodies
    never end may have all of them in one process, which would have no place left for others.

    Raises:
        ServingError: a value is no whole number above 0.
    """
    from serving.api import Limits

    given: dict[str, Any] = {field: _whole(environ, name) for name, field in LIMITS.items() if name in environ}
    if "per_second" in given:
        given["burst"] = 2 * given["per_second"]
    if "running" in given:
        given["waiting"] = 2 * given["running"]
    found, workers = Limits(**given), workers_of(environ)
    parts = {name: ceil(getattr(found, name) / workers) for name in ("running", "waiting", "heavy")}
    return replace(found, **parts)


def workers_of(environ: Mapping[str, str]) -> int:
    """How many processes serve.

    Raises:
        ServingError: as `limits_of`.
    """
    return _whole(environ, WORKERS) if WORKERS in environ else 1


def usual_workers() -> int:
    """One process a core, four at most: each holds some 250 MB."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


def _whole(environ: Mapping[str, str], name: str) -> int:
    text = environ[name]
    if not text.isdigit() or int(text) == 0:
        raise ServingError(f"{name}={text}: give a whole number above 0")
    return int(text)
