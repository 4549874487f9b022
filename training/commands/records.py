"""Decision records: new, create, revise, show, list, review, watch, replay, close."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.config import load
from retention.errors import RetentionError
from training.commands.shared import DEFAULT, Config, Json, err, now, show

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from retention.records.document import Document
    from serving.recording import Actor
    from serving.store.kept_records import Version

app = typer.Typer()
record_app = typer.Typer(no_args_is_help=True, help="Decisions: written down, reviewed, re-opened by their signals.")
app.add_typer(record_app, name="record")

By = Annotated[str, typer.Option("--by", help="Who does it.")]
On = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The day it happens on; today by default.")
]
Note = Annotated[str, typer.Option("--note", help="Why; what was looked at.")]
COMMAND_LINE = "command line"


@record_app.command("new")
def new_record(file: Annotated[Path, typer.Argument(help="The file to write.")], config: Config = DEFAULT) -> None:
    """Write a commented file to fill in, with what the newest kept report knows."""
    from retention import house
    from retention.records.template import template
    from serving.batch import opened_store
    from serving.recording import latest_report
    from serving.store import reports

    if file.exists():
        raise RetentionError(f"{file} is there already; give another name")
    settings = load(config)
    with opened_store(settings) as store, store.read() as db:
        measured, kept = latest_report(db), reports.newest(db, reports.RETENTION)
    text = template(kept.body if kept else {}, measured, house.load(settings.retention_file))
    file.write_text(text, encoding="utf-8")
    err.print(f"Wrote {file}. Fill in what is empty, then `keepwell record create {file}`.")


@record_app.command("create")
def create_record(
    file: Path, config: Config = DEFAULT, by: By = COMMAND_LINE, on: On = None, as_json: Json = False
) -> None:
    """Take a decision down: locks metrics and baseline, dates the reviews, computes what is recommended."""
    from serving import recording

    given = _read(file)
    with _writing(config, by, on) as (db, actor):
        kept = recording.create(db, given, actor)
    _tell(kept, as_json)


@record_app.command("revise")
def revise_record(
    file: Path, note: Note, config: Config = DEFAULT, by: By = COMMAND_LINE, on: On = None, as_json: Json = False
) -> None:
    """Decide again under the same id, on today's numbers; versions before stay, and so do the dates of the reviews."""
    from serving import recording

    given = _read(file)
    with _writing(config, by, on) as (db, actor):
        kept = recording.revise(db, given, note, actor)
    _tell(kept, as_json)


@record_app.command("show")
def show_record(id_: Annotated[str, typer.Argument(metavar="ID")], config: Config = DEFAULT, on: On = None,
                markdown: Annotated[bool, typer.Option("--markdown", help="Plain Markdown, for a file.")] = False,
                as_json: Json = False) -> None:  # fmt: skip
    """A whole record: numbers, thresholds, reviews, what is to mend, and its versions."""
    import sys

    from rich.markdown import Markdown

    from serving import recording

    with _writing(config, COMMAND_LINE, on) as (db, actor):
        found = recording.show(db, id_, actor.at)
    if markdown:
        sys.stdout.write(found.markdown)
        return
    show(as_json, found.as_json(), lambda: Markdown(found.markdown))


@record_app.command("list")
def list_records(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Every record with its state, owner and next review."""
    from serving.batch import opened_store
    from serving.store import kept_records
    from training.report import record_tables

    with opened_store(load(config)) as store, store.read() as db:
        found = kept_records.newest(db)
    show(as_json, [record_tables.line(one) for one in found], lambda: record_tables.records(found))


@record_app.command("review")
def review_record(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    kind: Annotated[str, typer.Argument(help="initial, operating or post.")],
    outcome: Annotated[str, typer.Argument(help="confirmed|corrected, holds|drifts, continue|adapt|stop.")],
    note: Note,
    config: Config = DEFAULT,
    by: By = COMMAND_LINE,
    on: On = None,
    as_json: Json = False,
) -> None:
    """Write down what a review found."""
    from serving import recording

    with _writing(config, by, on) as (db, actor):
        kept = recording.review(db, id_, kind, outcome, note, actor)
    _tell(kept, as_json)


@record_app.command("watch")
def watch_records(config: Config = DEFAULT, on: On = None, as_json: Json = False) -> None:
    """Hold every record against the kept reports: fired signals re-open, the end of a horizon ends."""
    from serving.watching import watch_now
    from training.report import record_tables

    found = watch_now(load(config), on or now())
    told = [{"id": one.id, "state": one.state, "happened": one.body["happened"]} for one in found]
    show(as_json, told, lambda: "\n".join(map(record_tables.said, found)) or "No record changes.")


@record_app.command("replay")
def replay_record(
    id_: Annotated[str, typer.Argument(metavar="ID")], config: Config = DEFAULT, as_json: Json = False
) -> None:
    """Decide again from what is stored, and say whether the same comes out; exit code 1 where it does not."""
    from serving import recording

    with _writing(config, COMMAND_LINE, None) as (db, _):
        found = recording.replayed(db, id_)
    said = f"{id_}: {found['recommended']} again, every number the same." if found["same"] else "\n".join(
        [f"{id_}: something else comes out.", *found["differs"]]
    )  # fmt: skip
    show(as_json, found, lambda: "\n".join([said, *found["method"]]))
    if not found["same"]:
        raise typer.Exit(1)


@record_app.command("close")
def close_record(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    note: Note,
    expired: Annotated[bool, typer.Option("--expired", help="What it was decided on holds no more.")] = False,
    config: Config = DEFAULT,
    by: By = COMMAND_LINE,
    on: On = None,
    as_json: Json = False,
) -> None:
    """End a record."""
    from serving import recording

    with _writing(config, by, on) as (db, actor):
        kept = recording.close(db, id_, note, actor, is_expired=expired)
    _tell(kept, as_json)


@contextmanager
def _writing(config: Path, by: str, on: datetime | None) -> "Iterator[tuple[Connection, Actor]]":
    from serving.batch import opened_store
    from serving.recording import Actor

    with opened_store(load(config)) as store, store.write() as db:
        yield db, Actor(by=by, at=on or now())


def _read(file: Path) -> "Document":
    import tomllib

    from retention.records import document

    try:
        return document.read(tomllib.loads(file.read_text(encoding="utf-8")), str(file))
    except FileNotFoundError:
        raise RetentionError(f"{file} does not exist; `keepwell record new {file}` writes it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RetentionError(f"{file} is not valid TOML: {error}") from error


def _tell(kept: "Version", as_json: bool) -> None:
    from training.report import record_tables

    told: dict[str, Any] = {"id": kept.id, "version": kept.version, "state": kept.state, "event": kept.event}
    show(
        as_json,
        told | {"decided": kept.body["decided"], "schedule": kept.body["schedule"]},
        lambda: record_tables.said(kept),
    )
