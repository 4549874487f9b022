"""The retention report at a glance: its key figures, and where the rest is."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from retention.blocks import Column, Report
from retention.metrics import METRICS
from training.report.block_tables import cell
from training.report.layout import bullets, section, table

WHICH_WAY = {"up": "higher is better", "down": "lower is better", None: ""}


def key_figures(found: Report) -> RenderableType:
    """The figures of the report with their interval, and which way each is good."""
    figures = table("", "now>", "")
    for name, figure in found.figures.items():
        metric = METRICS[name]
        figures.add_row(
            metric.title, cell(Column(name, metric.title, metric.unit, True), figure), WHICH_WAY[metric.good]
        )
    return Group(*section(f"{found.company} as of {found.as_of:%Y-%m-%d}", figures))


def overview(found: Report) -> RenderableType:
    """Key figures, then each chapter's blocks by name, and what could not be measured."""
    blocks = table("chapter", "block", "what it tells", "rows>")
    for chapter in found.chapters:
        for block in chapter.blocks:
            blocks.add_row(chapter.id, block.id, escape(block.title), f"{len(block.rows):,}")
    missing = [f"{chapter.id}: {line}" for chapter in found.chapters for line in chapter.not_measured]
    return Group(
        key_figures(found),
        *section("What was measured", blocks),
        *(section("Not measured", bullets(missing)) if missing else []),
        Text("\n`keepwell measure --chapter NAME` shows a chapter, `--all` everything.", style="dim"),
    )
