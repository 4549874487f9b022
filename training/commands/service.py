"""The service and who calls it or is told: serve, forget, prune, keys, deliveries."""

import os
from typing import Annotated

import typer

from features.config import load
from serving.errors import ServingError
from training.commands.shared import DEFAULT, Config, Json, Port, err, now, show

app = typer.Typer()
keys_app = typer.Typer(no_args_is_help=True, help="Keys of those who call the service: create, list, revoke.")
deliveries_app = typer.Typer(no_args_is_help=True, help="What was told to other systems: list, replay, ping.")
app.add_typer(keys_app, name="keys")
app.add_typer(deliveries_app, name="deliveries")


@app.command()
def serve(
    config: Config = DEFAULT,
    host: Annotated[str, typer.Option(help="The address to listen on; this machine alone by default.")] = "127.0.0.1",
    port: Port = 3000,
) -> None:
    """The prediction endpoint and the reviewer's pages, until Ctrl-C."""
    from serving.starting import command

    words, environ = command(config, host, port)
    err.print(
        f"Pages and API at [bold]http://{host}:{port}[/bold]; `keepwell keys create` makes a key. Ctrl-C ends it."
    )
    os.execve(words[0], words, environ)  # in our place: who kills us kills what holds the port


@app.command()
def forget(account: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Erase an account from the store and the CSV files, and say what was erased and what cannot be from here."""
    from serving.batch import opened_store
    from serving.delivery import forget as erase_files
    from serving.delivery import read_targets
    from serving.store.forget import forget as erase

    settings = load(config)
    targets = read_targets(settings.delivery, settings.root)
    with opened_store(settings) as store:
        found = erase(store, account, at=now())
    files = erase_files(targets.values(), account)
    elsewhere = sorted({*targets, *found.told} - set(files))
    told = {"account_id": account, "erased": found.erased, "csv_rows": files, "not_reached": elsewhere}
    show(as_json, told, lambda: _forgotten(found.erased, files, elsewhere))


def _forgotten(erased: dict[str, int], files: dict[str, int], elsewhere: list[str]) -> str:
    rows = [f"{number} of {table}" for table, number in erased.items()]
    lines = [f"Erased from the store: {', '.join(rows) or 'nothing, it has no such account'}."]
    if files:
        lines.append(
            f"Erased from CSV files: {', '.join(f'{number} rows of {name}' for name, number in files.items())}."
        )
    if elsewhere:
        lines.append(f"Not reached from here, erase it there: {', '.join(elsewhere)}.")
    return "\n".join([*lines, "Its raw rows are yours to erase."])


@app.command()
def prune(
    config: Config = DEFAULT,
    keep_days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="Leave so many days as they are; `[store] keep_days` by default."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only count.")] = False,
    with_audit: Annotated[bool, typer.Option("--audit", help="Drop audit entries of that time too.")] = False,
    as_json: Json = False,
) -> None:
    """Thin the store: of old days one run a week stays; shadow runs and events that everybody has taken go."""
    from serving.batch import opened_store
    from serving.store.prune import prune as drop

    settings = load(config)
    kept = keep_days or settings.store.keep_days
    with opened_store(settings) as store:
        found = drop(store, at=now(), keep_days=kept, with_audit=with_audit, is_trial=not yes)
    rows = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in found.counts.items() if number)
    told = f"of the time before {found.before:%Y-%m-%d %H:%M} UTC: {rows or 'nothing'}."
    show(
        as_json,
        {"before": found.before, "is_done": yes, **found.counts},
        lambda: f"Dropped {told}" if yes else f"--yes drops {told}",
    )


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
        key, token = keys.create(db, name=name, role=role, at=now())  # type: ignore[arg-type]
    told = {"id": key.id, "name": name, "role": role, "key": token}
    show(as_json, told, lambda: f"Key {key.id} for {name} ({role}), shown this once:\n[bold]{token}[/bold]")


@keys_app.command("list")
def list_keys(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Every key, with its role and when it was last used; never its secret."""
    from dataclasses import asdict

    from serving.batch import opened_store
    from serving.store import keys
    from training.report import tables

    with opened_store(load(config)) as store, store.read() as db:
        found = keys.list_keys(db)
    show(as_json, [asdict(key) for key in found], lambda: tables.keys(found))


@keys_app.command("revoke")
def revoke_key(key_id: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Make a key worthless, and the page sessions that were begun with it."""
    from serving.batch import opened_store
    from serving.store import keys

    with opened_store(load(config)) as store, store.write() as db:
        if not keys.revoke(db, key_id, at=now()):
            raise ServingError(f"there is no key {key_id} to revoke; `keepwell keys list` shows them")
    show(as_json, {"id": key_id, "revoked": True}, lambda: f"Key {key_id} is revoked.")


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
    show(as_json, [asdict(line) for line in found], lambda: tables.deliveries(found))


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
        number = replay(db, at=now(), target=target)
    show(as_json, {"replayed": number}, lambda: f"{number} dead deliveries wait to be sent again.")


@deliveries_app.command("ping")
def ping_target(target: str, config: Config = DEFAULT, as_json: Json = False) -> None:
    """Send a test to a target now, and say what came back."""
    from dataclasses import asdict

    from serving.batch import ping
    from training.report import tables

    line = ping(load(config), target)
    show(as_json, asdict(line), lambda: tables.deliveries([line]))
    if line.status != "delivered":
        raise typer.Exit(1)
