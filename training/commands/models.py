"""Models: train, backtest, compare, promote, rollback, report."""

from pathlib import Path
from typing import Annotated

import typer

from features.config import load
from serving.errors import ServingError
from training.commands.jobs import compare_models, train_and_register
from training.commands.shared import DEFAULT, Config, Json, Model, progress, show

app = typer.Typer()


@app.command()
def train(
    config: Config = DEFAULT,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Fit the final model over [spark] master instead of in this process.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="With --distributed, by so many; one a task slot by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train, calibrate, judge, and register in MLflow as @challenger."""
    if workers and not distributed:
        raise typer.BadParameter("--workers needs --distributed: in this process there is one")
    settings = load(config)
    told = train_and_register(settings, distributed=distributed, workers=workers)
    from training.report import tables

    show(as_json, told, lambda: tables.evidence(told))


@app.command()
def backtest(
    config: Config = DEFAULT,
    as_json: Json = False,
    origins: Annotated[int, typer.Option(min=2, max=24, help="How many rolling origins.")] = 4,
) -> None:
    """Judge the whole procedure at several past dates, each time with what was known then."""
    from features.engines import engine_for
    from training.backtest import backtest as run
    from training.report import tables

    settings = load(config)
    with engine_for(settings) as engine, progress() as tell:
        told = run(settings, engine, origins, tell)
    show(as_json, told, lambda: tables.backtest(told))


@app.command()
def compare(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Champion against challenger, scored on the same later rows."""
    from training.report import tables

    settings = load(config)
    told = compare_models(settings)
    show(as_json, told, lambda: tables.comparison(told))


@app.command()
def promote(
    config: Config = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Promote although the gate says no.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; required with --force, recorded.")] = None,
    as_json: Json = False,
) -> None:
    """Make the challenger the champion, if the gate lets it."""
    from training import tracking
    from training.report import tables

    if force and not reason:
        raise typer.BadParameter("--force needs --reason: it is recorded with the version")
    settings = load(config)
    told = compare_models(settings)
    if told["promote"] or force:
        because = reason if not told["promote"] else None
        tracking.promote(settings, told["challenger"], reasons=told["reasons"], forced_because=because)
    told["promoted"] = bool(told["promote"] or force)
    show(as_json, told, lambda: tables.comparison(told))
    if not told["promoted"]:
        raise typer.Exit(1)


@app.command()
def rollback(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Make the champion's predecessor champion again."""
    from training import tracking

    was, now = tracking.rollback(load(config))
    show(as_json, {"champion": now, "was": was}, lambda: f"Champion is version {now} again; it was version {was}.")


@app.command()
def report(
    config: Config = DEFAULT,
    model: Model = None,
    output: Annotated[Path | None, typer.Option("--out", help="An .html file.")] = None,
    as_json: Json = False,
) -> None:
    """The page of a version's training run: one self-contained HTML file."""
    from serving.registry import resolve
    from training import tracking

    settings = load(config)
    version = resolve(settings, model)
    if version is None:
        raise ServingError("no model is registered yet; `keepwell train` registers one")
    target = output or settings.home_dir / "reports" / f"version-{version}.html"
    tracking.fetch_report(settings, version, target)
    show(as_json, {"version": version, "out": target}, lambda: f"Report of version {version} written to {target}")
