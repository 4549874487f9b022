"""One JSON object a line on standard error: what happened, never about whom (ids of accounts and values stay out)."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

_ENCODER = json.JSONEncoder(default=str)


def tell(event: str, **facts: Any) -> None:
    """Write a line; `facts` are numbers, names of routes and ids of keys and requests."""
    line = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "event": event, **facts}
    sys.stderr.write(_ENCODER.encode(line) + "\n")
