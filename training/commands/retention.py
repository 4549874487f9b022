"""What happened, what it was worth, and what to do next: measure, plan."""

from typing import Annotated

import typer

from features.config import load
from training.commands.shared import DEFAULT, Config, Json, Newest, err, out, progress, show

app = typer.Typer()


@app.command()
def measure(
    config: Config = DEFAULT,
    as_of: Newest = None,
    keep: Annotated[bool, typer.Option("--store", help="Keep the report, for the pages and the API.")] = False,
    chapter: Annotated[str | None, typer.Option("--chapter", help="Only this chapter, with all of its rows.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All chapters, of long lists the first rows.")] = False,
    as_json: Json = False,
) -> None:
    """The retention report: churn, revenue retention, cohorts, reasons, plays and their effect."""
    from serving.measuring import keep_report, retention_report
    from serving.watching import watch_now
    from training.report import block_tables
    from training.report.overview import overview
    from training.report.record_tables import said

    settings = load(config)
    with progress() as tell:
        found = retention_report(settings, as_of, tell)
    if keep:
        if keep_report(settings, found):
            err.print(f"Kept the report as of {found.as_of:%Y-%m-%d}.")
        for record in watch_now(settings, found.as_of):
            err.print(said(record), markup=False)
    if chapter is None:
        show(as_json, found.as_json(), lambda: block_tables.report(found) if everything else overview(found))
        return
    chosen = [one for one in found.chapters if one.id == chapter]
    if not chosen:
        raise typer.BadParameter(f"--chapter must be one of {', '.join(one.id for one in found.chapters)}")
    show(as_json, chosen[0].as_json(), lambda: out.print(block_tables.blocks(chosen[0])))


@app.command()
def plan(
    config: Config = DEFAULT,
    as_of: Newest = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Of every owner; by default as in retention.toml.")] = None,
    as_json: Json = False,
) -> None:
    """Whose hours go to which accounts: the plays worth most within the hours that there are."""
    from retention import capacity
    from serving.measuring import inputs_of
    from training.report import block_tables

    with progress() as tell, inputs_of(load(config), as_of, tell) as inputs:
        tell("planning", 0, 1)
        found = capacity.chapter(inputs, hours=hours)
    show(as_json, found.as_json(), lambda: out.print(block_tables.blocks(found)))
