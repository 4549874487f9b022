"""The command line: one sub-command a verb, no logic. Exit codes: 0 done, 1 data or evidence refused, 2 usage."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM, signal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.config import Settings, load
from features.errors import SourceError
from serving.errors import ServingError
from training.errors import EvidenceError

if TYPE_CHECKING:
    from subprocess import Popen

    from serving.run import Kept

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Customer health and churn, with proof.",
)
keys_app = typer.Typer(no_args_is_help=True, help="Keys of those who call the service: create, list, revoke.")
policy_app = typer.Typer(no_args_is_help=True, help="The rules in policy.toml.")
deliveries_app = typer.Typer(no_args_is_help=True, help="What was told to other systems: list, replay, ping.")
app.add_typer(keys_app, name="keys")
app.add_typer(deliveries_app, name="deliveries")
app.add_typer(policy_app, name="policy")
out, err = Console(), Console(stderr=True)

Config = Annotated[Path, typer.Option("--config", help="The company's keepwell.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Model = Annotated[str | None, typer.Option("--model", help="A version or @alias; the champion by default.")]
AsOf = Annotated[list[datetime], typer.Option("--as-of", formats=["%Y-%m-%d"], help="A date (midnight UTC).")]
Day = Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="A date (midnight UTC).")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
Newest = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="A date (midnight UTC); the newest by default.")
]
DEFAULT = Path("keepwell.toml")
OLD_DAYS = 7
"""A book whose newest data is older than this is pointed out."""


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

    _show(as_json, {"config": config, **asdict(found)}, tell)


@app.command()
def check(config: Config = DEFAULT, as_json: Json = False) -> None:
    """The contract report: what each source delivered, and which rows broke their contract."""
    from dataclasses import asdict

    from features.check import report, write_quarantine
    from features.engine import open_engine
    from features.sources import stage
    from training.report import tables

    settings = load(config)
    with open_engine(settings.home_dir) as engine, _progress() as tell:
        tell("reading the sources", 0, 1)
        staged = stage(settings, engine)
        found = report(settings, engine, staged)
        write_quarantine(engine, settings.home_dir / "quarantine")
    _show(as_json, asdict(found), lambda: tables.contract_report(found, settings.home_dir / "quarantine"))
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def catalogue(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Every feature with its component, definition, unit, direction and window."""
    from features.catalogue import declare, discover
    from features.engine import open_engine
    from features.sources import stage
    from training.report import tables

    settings = load(config)
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        words = discover(engine, staged, known_by=staged.now, max_events=settings.features.max_events)
        rows = declare(staged, words).as_rows()
    _show(as_json, rows, lambda: tables.catalogue(rows))


@app.command()
def features(
    as_of: AsOf,
    output: Annotated[Path, typer.Option("--out", help="Parquet file.")],
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """The feature table at one or several dates."""
    from features.catalogue import declare, discover
    from features.engine import open_engine
    from features.snapshots import spine
    from features.sources import stage
    from features.table import write

    settings = load(config)
    with open_engine(settings.home_dir) as engine, _progress() as tell:
        staged = stage(settings, engine)
        words = discover(engine, staged, known_by=min(as_of), max_events=settings.features.max_events)
        rows = spine(settings, engine, staged, sorted(as_of))
        write(engine, staged, declare(staged, words), output, lambda done: tell("features", done, rows))
    told = {"rows": rows, "as_of": sorted(as_of), "out": output}
    _show(as_json, told, lambda: f"{rows:,} rows written to {output}")


@app.command()
def train(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Train, calibrate, judge, and register in MLflow as @challenger."""
    settings = load(config)
    told = _train(settings)
    from training.report import tables

    _show(as_json, told, lambda: tables.evidence(told))


@app.command()
def backtest(
    config: Config = DEFAULT,
    as_json: Json = False,
    origins: Annotated[int, typer.Option(min=2, max=24, help="How many rolling origins.")] = 4,
) -> None:
    """Judge the whole procedure at several past dates, each time with what was known then."""
    from features.engine import open_engine
    from training.backtest import backtest as run
    from training.report import tables

    settings = load(config)
    with open_engine(settings.home_dir) as engine, _progress() as tell:
        told = run(settings, engine, origins, tell)
    _show(as_json, told, lambda: tables.backtest(told))


@app.command()
def compare(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Champion against challenger, scored on the same later rows."""
    from training.report import tables

    settings = load(config)
    told = _compare(settings)
    _show(as_json, told, lambda: tables.comparison(told))


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
    told = _compare(settings)
    if told["promote"] or force:
        because = reason if not told["promote"] else None
        tracking.promote(settings, told["challenger"], reasons=told["reasons"], forced_because=because)
    told["promoted"] = bool(told["promote"] or force)
    _show(as_json, told, lambda: tables.comparison(told))
    if not told["promoted"]:
        raise typer.Exit(1)


@app.command()
def rollback(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Make the champion's predecessor champion again."""
    from training import tracking

    was, now = tracking.rollback(load(config))
    _show(as_json, {"champion": now, "was": was}, lambda: f"Champion is version {now} again; it was version {was}.")


@app.command()
def score(
    as_of: Day,
    output: Annotated[Path | None, typer.Option("--out", help="Parquet file.")] = None,
    keep: Annotated[bool, typer.Option("--store", help="Keep the run in the store, with actions and alerts.")] = False,
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
    if shadow and not keep:
        raise typer.BadParameter("--shadow goes with --store: a shadow's scores are kept there and nowhere else")
    settings = load(config)
    kept = _kept(settings, [as_of], model, shadow=shadow)[0] if keep else None
    book = kept.scored.book if kept else _book(settings, as_of, model)
    _warn_if_old(book)
    if output:
        write(book, output)
    counted = Counter(str(tier) for tier in book["tier"].to_pylist())
    told = {"as_of": as_of, "accounts": len(book), "tiers": counted, "out": output}
    if kept:
        told |= {"run": kept.run.id, "is_new": kept.is_new, "alerts": kept.alerts}

    def tell() -> None:
        out.print(tables.tiers_of_book(book))
        if output:
            out.print(f"{len(book):,} accounts written to {output}")
        if kept:
            out.print(
                f"Run {kept.run.id} kept: {kept.alerts}." if kept.is_new else f"Run {kept.run.id} was kept before."
            )

    _show(as_json, told, tell)


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
    book = _book(settings, as_of, model)
    row = pictures.row_of(book, account)
    _show(as_json, row, lambda: tables.waterfall(row))
    if output:
        pictures.waterfall(row, output)
        err.print(f"Picture written to {output}")


@app.command()
def serve(
    config: Config = DEFAULT,
    host: Annotated[str, typer.Option(help="The address to listen on; this machine alone by default.")] = "127.0.0.1",
    port: Port = 3000,
) -> None:
    """The prediction endpoint and the reviewer's pages, until Ctrl-C."""
    from serving.service import serve as start

    load(config)
    err.print(
        f"Pages and API at [bold]http://{host}:{port}[/bold]; `keepwell keys create` makes a key. Ctrl-C ends it."
    )
    raise typer.Exit(_until_stopped(start(config, host, port)))


@app.command()
def forget(account: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Erase an account from the store, and say what was erased. Its raw rows are yours to erase."""
    from serving.batch import opened_store
    from serving.store.forget import forget as erase

    with opened_store(load(config)) as store:
        erased = erase(store, account, at=_now())
    rows = (
        ", ".join(f"{number} of {table}" for table, number in erased.items())
        or "nothing: the store has no such account"
    )
    _show(as_json, {"account_id": account, "erased": erased}, lambda: f"Erased from the store: {rows}.")


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[
        str, typer.Option(help="read, score, decide or admin; each may do what those before it may.")
    ] = "read",
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; the store keeps a hash of it."""
    from typing import get_args

    from serving.batch import opened_store
    from serving.store import keys

    if role not in get_args(keys.Role):
        raise typer.BadParameter(f"--role must be one of {', '.join(get_args(keys.Role))}")
    with opened_store(load(config)) as store, store.write() as db:
        key, token = keys.create(db, name=name, role=role, at=_now())  # type: ignore[arg-type]
    told = {"id": key.id, "name": name, "role": role, "key": token}
    _show(as_json, told, lambda: f"Key {key.id} for {name} ({role}), shown this once:\n[bold]{token}[/bold]")


@keys_app.command("list")
def list_keys(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Every key, with its role and when it was last used; never its secret."""
    from dataclasses import asdict

    from serving.batch import opened_store
    from serving.store import keys
    from training.report import tables

    with opened_store(load(config)) as store, store.read() as db:
        found = keys.list_keys(db)
    _show(as_json, [asdict(key) for key in found], lambda: tables.keys(found))


@keys_app.command("revoke")
def revoke_key(key_id: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Make a key worthless, and the page sessions that were begun with it."""
    from serving.batch import opened_store
    from serving.store import keys

    with opened_store(load(config)) as store, store.write() as db:
        if not keys.revoke(db, key_id, at=_now()):
            raise ServingError(f"there is no key {key_id} to revoke; `keepwell keys list` shows them")
    _show(as_json, {"id": key_id, "revoked": True}, lambda: f"Key {key_id} is revoked.")


@deliveries_app.command("list")
def list_deliveries(
    config: Config = DEFAULT,
    target: Annotated[str | None, typer.Option(help="Only those to this target.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    as_json: Json = False,
) -> None:
    """The delivery log, newest first, with what came back."""
    from dataclasses import asdict
    from typing import get_args

    from serving.batch import opened_store
    from serving.delivery import listing
    from serving.store.outbox import Status
    from training.report import tables

    if status not in (None, *get_args(Status)):
        raise typer.BadParameter(f"--status must be one of {', '.join(get_args(Status))}")
    with opened_store(load(config)) as store, store.read() as db:
        found = listing(db, status=status, target=target)  # type: ignore[arg-type]
    _show(as_json, [asdict(line) for line in found], lambda: tables.deliveries(found))


@deliveries_app.command("replay")
def replay_deliveries(
    config: Config = DEFAULT,
    target: Annotated[str | None, typer.Option(help="Only those to this target.")] = None,
    as_json: Json = False,
) -> None:
    """Try dead deliveries again, as if they were new."""
    from serving.batch import opened_store
    from serving.delivery import replay

    with opened_store(load(config)) as store, store.write() as db:
        number = replay(db, at=_now(), target=target)
    _show(as_json, {"replayed": number}, lambda: f"{number} dead deliveries wait to be sent again.")


@deliveries_app.command("ping")
def ping_target(target: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Send a test to a target now, and say what came back."""
    from dataclasses import asdict

    from serving.batch import ping
    from training.report import tables

    line = ping(load(config), target)
    _show(as_json, asdict(line), lambda: tables.deliveries([line]))
    if line.status != "delivered":
        raise typer.Exit(1)


@policy_app.command("check")
def check_policy(
    config: Config = DEFAULT,
    as_of: Newest = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """How many accounts each rule would catch on the newest scores, before it goes live."""
    from dataclasses import asdict

    from serving.batch import preview
    from training.report import tables

    with _progress() as tell:
        found = preview(load(config), as_of, model, tell)
    _show(as_json, asdict(found), lambda: tables.policy_preview(found))


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
    _show(as_json, {"version": version, "out": target}, lambda: f"Report of version {version} written to {target}")


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

    settings, last = prepare(which, folder)
    told = _train(settings)
    compared = _compare(settings)
    from training import tracking

    if compared["promote"]:
        tracking.promote(settings, compared["challenger"], reasons=compared["reasons"], forced_because=None)
    book = _kept(settings, weeks_until(last), told["model_version"])[-1].scored.book

    def tell_all() -> None:
        out.print(tables.evidence(told), tables.tiers_of_book(book), tables.top_accounts(book, 10))
        out.print(f"Everything is in {settings.root}; go on there with `keepwell explain`, `keepwell report`.")

    _show(as_json, told, tell_all)
    if serve:
        _show_pages(settings, port)


def _train(settings: Settings) -> dict[str, Any]:
    """Train and register; the object that `train --json` prints."""
    from features.engine import open_engine
    from training import tracking
    from training.report.page import write
    from training.run import as_json as tell_all
    from training.run import give_evidence
    from training.run import train as run

    tracking.reach(settings)
    with open_engine(settings.home_dir) as engine, _progress() as tell:
        training = run(settings, engine, tell)
        tell("report", 0, 1)
        page = settings.home_dir / "reports" / "training.html"
        write(training, page)
        tell("registering", 0, 1)
        told = tell_all(training, None)
        give_evidence(training.learned.bundle, told)
        told["model_version"] = tracking.register(settings, training.learned.bundle, told, page)
    return told


def _compare(settings: Settings) -> dict[str, Any]:
    from features.engine import open_engine
    from training.compare import compare as run

    with open_engine(settings.home_dir) as engine, _progress() as tell:
        return run(settings, engine, tell)


def _book(settings: Settings, as_of: datetime | None, model: str | None) -> Any:
    from serving.batch import book

    with _progress() as tell:
        found = book(settings, as_of, model, tell).book
    if found["model_version"].null_count:
        err.print("No model is registered yet: health comes from the typical weights, without churn probabilities.")
    return found


def _warn_if_old(book: Any) -> None:
    """Scores as of a day long after the newest data say little; say so."""
    moments = [m for name in book.column_names if name.endswith("_data_as_of") for m in book[name][:1].to_pylist() if m]
    days = (book["as_of"][0].as_py() - max(moments)).days if moments else 0
    if days > OLD_DAYS:
        err.print(f"[yellow]The newest data is {days} days older than that day; its scores tell of a silence.[/yellow]")


def _kept(settings: Settings, days: list[datetime], model: str | None, *, shadow: bool = False) -> "list[Kept]":
    from serving.batch import keep

    with _progress() as tell:
        return keep(settings, days, model, tell, shadow=shadow)


def _show_pages(settings: Settings, port: int) -> None:
    """Serve a demonstration, with a key to enter."""
    from serving.batch import opened_store
    from serving.service import HOST
    from serving.service import serve as start
    from serving.store import keys

    with opened_store(settings) as store, store.write() as db:
        _, token = keys.create(db, name="demo", role="decide", at=_now())
    log = settings.home_dir / "service.log"
    process = start(settings.root / "keepwell.toml", HOST, port, log)
    err.print(f"\nPages and API, in some ten seconds: [bold]http://{HOST}:{port}[/bold]\nKey: [bold]{token}[/bold]")
    err.print(f"Ctrl-C ends it; its log is {log}.", soft_wrap=True)
    raise typer.Exit(_until_stopped(process))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _until_stopped(process: "Popen[bytes]") -> int:
    """Wait for a process; Ctrl-C and SIGTERM end it in good order. Its exit code, 0 where we ended it."""
    signal(SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 0


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress on standard error: one bar a stage, gone when all is done."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, whole: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[what] = bar.add_task(what, total=whole)
            bar.update(tasks[what], completed=done, total=whole)

        yield tell


def _show(as_json: bool, told: Any, tables: Callable[[], Any]) -> None:
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2, default=str, allow_nan=False) + "\n")
        return
    shown = tables()
    if shown is not None:
        out.print(shown)


def main() -> None:
    """Run a command; a refusal is one message on standard error and exit code 1."""
    try:
        app()
    except (SourceError, ServingError, EvidenceError) as error:
        err.print("[bold red]Refused:[/bold red]", escape(str(error)), highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
