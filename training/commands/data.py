"""What was delivered, and what is made of it: init, check, catalogue, features."""

from operator import itemgetter
from pathlib import Path
from typing import Annotated

import typer

from features.config import load
from features.errors import SourceError
from training.commands.shared import DEFAULT, AsOf, Config, Json, out, progress, show

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the raw files are.")] = Path(),
    config: Config = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented keepwell.toml by looking at the files of a folder."""
    from features.guess import guess, render

    if config.exists() and not force:
        raise SourceError(f"{config} exists; give another --config, or --force to replace it")
    found = guess(folder)
    config.write_text(render(found), encoding="utf-8")
    from dataclasses import asdict

    from training.report import tables

    def tell() -> None:
        out.print(tables.guessed(found))
        out.print(f"Wrote [bold]{config}[/bold]. Read it, correct it, then run `keepwell check`.")

    show(as_json, {"config": config, **asdict(found)}, tell)


@app.command()
def check(config: Config = DEFAULT, as_json: Json = False) -> None:
    """The contract report: what each source delivered, and which rows broke their contract."""
    from dataclasses import asdict

    from features.check import report, write_quarantine
    from features.engines import engine_for
    from features.sources import stage
    from training.report import tables

    settings = load(config)
    with engine_for(settings) as engine, progress() as tell:
        tell("reading the sources", 0, 1)
        staged = stage(settings, engine)
        found = report(settings, engine, staged)
        write_quarantine(engine, settings.home_dir / "quarantine")
    show(as_json, asdict(found), lambda: tables.contract_report(found, settings.home_dir / "quarantine"))
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def catalogue(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Every feature with its component, definition, unit, direction and window."""
    from features.catalogue import declare, discover
    from features.engines import engine_for
    from features.sources import stage
    from training.report import tables

    settings = load(config)
    with engine_for(settings) as engine:
        staged = stage(settings, engine)
        words = discover(engine, staged, known_by=staged.now, max_events=settings.features.max_events)
        rows = declare(staged, words).as_rows()
    show(as_json, rows, lambda: tables.catalogue(rows))


@app.command()
def features(
    as_of: AsOf,
    output: Annotated[Path, typer.Option("--out", help="Parquet file.")],
    config: Config = DEFAULT,
    new_words: Annotated[
        bool, typer.Option("--new-words", help="Look anew which kinds of event and categories there are.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The feature table at one or several dates; dates that were computed earlier are looked up.

    Its columns stay those of the last table until you ask for new words. On Spark all is computed, and looked up, anew.
    """
    from features.catalogue import declare, discover
    from features.engines import engine_for
    from features.kept import keep, vocabulary
    from features.snapshots import spine
    from features.sources import stage
    from features.table import build_parts, schema, write

    settings = load(config)
    with engine_for(settings) as engine, progress() as tell:
        staged = stage(settings, engine)
        is_kept = engine.name == "duckdb"
        words = vocabulary(settings.home_dir) if is_kept and not new_words else None
        if words is None:
            words = discover(engine, staged, known_by=min(as_of), max_events=settings.features.max_events)
        rows = spine(settings, engine, staged, sorted(as_of))
        catalogue = declare(staged, words)
        if is_kept:
            found = keep(engine, staged, catalogue, settings.home_dir, lambda done, all_: tell("features", done, all_))
            write(found.parts(), found.schema, output)
        else:
            write(map(itemgetter(1), build_parts(engine, staged, catalogue)), schema(catalogue), output)
    computed = found.computed if is_kept else tuple(sorted(as_of))
    told = {"rows": rows, "as_of": sorted(as_of), "computed": computed, "out": output}
    show(
        as_json,
        told,
        lambda: f"{rows:,} rows written to {output}; {len(computed)} of {len(as_of)} dates computed",
    )
