"""What the pages load: our style sheet and scripts, and Chart.js out of the `chartkick` package. Nothing from afar.

An address carries the digest of what it names, so that a browser may keep it for a year.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from serving.errors import ServingError

HERE = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
OURS = ("pages.css", "theme.js", "pages.js", "charts.js", "whatif.js", "icon.svg")
CHARTS = "chart.js"
"""Chart.js (MIT) draws the charts: of the libraries that PyPI carries it alone needs no inline style, so that the
content security policy can forbid them, and it is a fifth of plotly's size."""
YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file with its digest, and gzipped, for it crosses networks."""

    content: bytes
    zipped: bytes
    media_type: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """A file that pages load; read once.

    Raises:
        ServingError: `chartkick` is not installed.
    """
    content = (_charts() if name == CHARTS else HERE / name).read_bytes()
    kind = MEDIA_TYPES[Path(name).suffix]
    return Asset(content, gzip.compress(content, 6, mtime=0), kind, sha256(content).hexdigest()[:16])


def address(name: str) -> str:
    """Where a page finds a file."""
    return f"/assets/{name}?v={asset(name).digest}"


async def serve(request: Request) -> Response:
    """GET /assets/{name}: open to all, for the login page needs it."""
    name = request.path_params["name"]
    if name not in (*OURS, CHARTS):
        return Response("There is no such file.", 404, media_type="text/plain")
    found = asset(name)
    is_exact = request.query_params.get("v") == found.digest
    headers = {"Cache-Control": YEAR if is_exact else "no-cache", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)


def _charts() -> Path:
    """Chart.js where `chartkick` keeps it; the package itself is not imported."""
    found = find_spec("chartkick")
    if found is None or not found.submodule_search_locations:
        raise ServingError("the pages' charts need the package chartkick; install keepwell's requirements again")
    return Path(found.submodule_search_locations[0]) / "django" / "static" / "chartkick" / "Chart.bundle.js"
