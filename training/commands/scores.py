"""Scores and what follows from them: score, explain, policy check, demo."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.config import Settings, load
from training.commands.jobs import book_of, compare_models, kept_report, kept_runs, train_and_register, warn_if_old
from training.commands.shared import (
    DEFAULT,
    Config,
    Day,
    Json,
    Model,
    Newest,
    Port,
    clocked,
    err,
    now,
    out,
    progress,
    show,
    until_stopped,
)

if TYPE_CHECKING:
    from serving.policy import Scope
    from serving.run import Kept

app = typer.Typer()
policy_app = typer.Typer(no_args_is_help=True, help="The rules in policy.toml.")
app.add_typer(policy_app, name="policy")


@app.command()
def score(
    as_of: Day,
    output: Annotated[Path | None, typer.Option("--out", help="Parquet file.")] = None,
    keep: Annotated[bool, typer.Option("--store", help="Keep the run in the store, with actions and alerts.")] = False,
    due: Annotated[bool, typer.Option("--due", help="Only where the cadence asks for it.")] = False,
    shadow: Annotated[bool, typer.Option("--shadow", help="Keep the challenger's scores too, not shown.")] = False,
    config: Config = DEFAULT,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Score the book of one day, with tiers, reasons and value at risk."""
    from serving.book import write
    from training.report import tables

    if not (output or keep):
        raise typer.BadParameter("say where the scores shall go: --out FILE, --store, or both")
    if (shadow or due) and not keep:
        raise typer.BadParameter("--shadow and --due go with --store: the runs that they are about are kept there")
    settings = load(config)
    scope = _scope_due(settings, as_of) if due else "book"
    if scope is None:
        said = f"Nothing is due on {as_of:%Y-%m-%d}."
        show(as_json, {"as_of": as_of, "run": None, "due": 0}, lambda: said)
        return
    with clocked() as clock:
        kept = kept_runs(settings, [as_of], model, clock, shadow=shadow, scope=scope)[0] if keep else None
        book = kept.book if kept else book_of(settings, as_of, model, clock)
        if output:
            clock("writing", 0, 1)
            write(book, output)
    warn_if_old(book)
    counted = Counter(str(tier) for tier in book["tier"].to_pylist())
    took = {stage: asdict(one) for stage, one in clock.took.items()}
    told = {"as_of": as_of, "accounts": len(book), "tiers": counted, "out": output, "stages": took}
    if kept:
        told |= {"run": kept.run.id, "is_new": kept.is_new, "due": kept.due, "alerts": kept.alerts}

    def tell() -> None:
        out.print(tables.tiers_of_book(book))
        if output:
            out.print(f"{len(book):,} accounts written to {output}")
        if kept:
            out.print(_said(kept))
        out.print("Time: " + ", ".join(f"{stage} {one.seconds:.1f} s" for stage, one in clock.took.items()) + ".")

    show(as_json, told, tell)


def _scope_due(settings: Settings, day: datetime) -> "Scope | None":
    from serving.batch import due_on

    return due_on(settings, day)


def _said(kept: "Kept") -> str:
    """What became of a run, in a sentence."""
    if not kept.is_new:
        return f"Run {kept.run.id} was kept before."
    watched = "" if kept.due is None else f"{kept.due:,} accounts are due, the others wait for the run of the book; "
    return f"Run {kept.run.id} kept: {watched}{kept.alerts}."


@app.command()
def explain(
    account: str,
    config: Config = DEFAULT,
    as_of: Newest = None,
    model: Model = None,
    output: Annotated[Path | None, typer.Option("--out", help="A .svg or .png of the waterfall.")] = None,
    as_json: Json = False,
) -> None:
    """Why an account has its score: the waterfall, in the terminal and as a picture."""
    from training.report import pictures, tables

    settings = load(config)
    with progress() as tell:
        book = book_of(settings, as_of, model, tell)
    row = pictures.row_of(book, account)
    show(as_json, row, lambda: tables.waterfall(row))
    if output:
        pictures.waterfall(row, output)
        err.print(f"Picture written to {output}")


@policy_app.command("check")
def check_policy(
    config: Config = DEFAULT,
    as_of: Newest = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """How many accounts each rule would catch on the newest scores, before it goes live."""
    from serving.batch import preview
    from training.report import tables

    with progress() as tell:
        found = preview(load(config), as_of, model, tell)
    show(as_json, asdict(found), lambda: tables.policy_preview(found))


@app.command()
def demo(
    which: Annotated[str, typer.Argument(help="saas (simulated) or grocery (real).")] = "saas",
    folder: Annotated[Path | None, typer.Option("--folder", help="Where; a fresh folder by default.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve its pages and API, until Ctrl-C.")] = False,
    port: Port = 3000,
    as_json: Json = False,
) -> None:
    """End to end in a fresh folder: evidence, tiers of the book, and the ten accounts with most value at risk."""
    from training.demo import prepare, weeks_until
    from training.report import tables
    from training.report.overview import key_figures

    settings, last = prepare(which, folder)
    told = train_and_register(settings)
    compared = compare_models(settings)
    from training import tracking

    if compared["promote"]:
        tracking.promote(settings, compared["challenger"], reasons=compared["reasons"], forced_because=None)
    with progress() as tell:
        book = kept_runs(settings, weeks_until(last), told["model_version"], tell)[-1].book
    measured = kept_report(settings, last)

    def tell_all() -> None:
        out.print(tables.evidence(told), tables.tiers_of_book(book), tables.top_accounts(book, 10))
        out.print(key_figures(measured))
        out.print(f"Everything is in {settings.root}; go on there with `keepwell explain`, `keepwell report`.")

    show(as_json, told, tell_all)
    if serve:
        _show_pages(settings, port)


def _show_pages(settings: Settings, port: int) -> None:
    """Serve a demonstration, with a key to enter."""
    from serving.batch import opened_store
    from serving.starting import HOST
    from serving.starting import serve as start
    from serving.store import keys

    with opened_store(settings) as store, store.write() as db:
        _, token = keys.create(db, name="demo", role="decide", at=now())
    log = settings.home_dir / "service.log"
    process = start(settings.root / "keepwell.toml", HOST, port, log)
    err.print(f"\nPages and API, in some ten seconds: [bold]http://{HOST}:{port}[/bold]\nKey: [bold]{token}[/bold]")
    err.print(f"Ctrl-C ends it; its log is {log}.", soft_wrap=True)
    raise typer.Exit(until_stopped(process))
