"""The retention pages: the newest report, a chapter a page, and each of its blocks as a CSV file."""

from typing import Any

from starlette.responses import Response

from serving.api.problems import Problem
from serving.pages.door import HEADERS, Visit
from serving.pages.export import line
from serving.pages.measured import flat, said, shown
from serving.store import reports
from serving.store.reports import Kept

TILES = (
    ("grr", "Gross revenue retention"),
    ("nrr", "Net revenue retention"),
    ("logo_churn", "Logo churn"),
    ("nps", "Net promoter score"),
    ("at_risk_accounts", "At-risk accounts"),
    ("value_at_risk", "Value at risk"),
    ("play_effect", "Effect of plays"),
)
"""Figures above the chapters, in this order, those that were measured."""
UNITS = {"nps": "points", "at_risk_accounts": "count", "value_at_risk": "money"}


def show(visit: Visit) -> Response:
    """GET /retention and /retention/{chapter}."""
    kept = _newest(visit)
    if kept is None:
        return visit.page("unmeasured.html")
    chapters = kept.body["chapters"]
    chosen = _chosen(chapters, visit.request.path_params.get("chapter", chapters[0]["id"]))
    return visit.page(
        "retention.html",
        report=kept,
        chapters=[{"id": one["id"], "title": one["title"]} for one in chapters],
        chapter=chosen,
        blocks=[shown(block) for block in chosen["blocks"]],
        tiles=_tiles(kept.body.get("figures", {})),
    )


def export(visit: Visit) -> Response:
    """GET /retention/{chapter}/{block}.csv: all rows of a block."""
    kept, names = _newest(visit), visit.request.path_params
    chosen = _chosen(kept.body["chapters"] if kept else [], names["chapter"])
    for block in chosen["blocks"]:
        if block["id"] == names["block"]:
            assert kept is not None
            name = f"{chosen['id']}-{block['id']}-{kept.as_of:%Y-%m-%d}.csv"
            headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
            return Response("".join(map(line, flat(block))), headers=headers, media_type="text/csv")
    raise Problem("not-found", f"the chapter {chosen['id']} has no block {names['block']}")


def _newest(visit: Visit) -> Kept | None:
    with visit.context.store.read() as db:
        kept = reports.newest(db, reports.RETENTION)
    return kept if kept and kept.body["chapters"] else None


def _chosen(chapters: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for one in chapters:
        if one["id"] == name:
            return one
    raise Problem("not-found", f"the report has no chapter {name}")


def _tiles(figures: dict[str, Any]) -> list[dict[str, str]]:
    told = []
    for name, title in TILES:
        held = figures.get(name)
        if not held or held["value"] is None:
            continue
        unit = UNITS.get(name, "share")
        between = ""
        if held["low"] is not None and held["high"] is not None:
            between = f"{said(unit, held['low'])} to {said(unit, held['high'])}"
        told.append({"name": name, "title": title, "text": said(unit, held["value"]), "between": between})
    return told
