"""Plays that were carried out: plays record, list."""

from datetime import datetime
from typing import Annotated

import typer

from features.config import load
from training.commands.shared import DEFAULT, Config, Json, now, show

app = typer.Typer()
plays_app = typer.Typer(no_args_is_help=True, help="Plays that were carried out: record, list.")
app.add_typer(plays_app, name="plays")


@plays_app.command("record")
def record_play(
    account: str,
    play: Annotated[str, typer.Argument(help="A play of the policy, such as recovery_plan.")],
    config: Config = DEFAULT,
    at: Annotated[
        datetime | None, typer.Option("--at", formats=["%Y-%m-%d"], help="When (midnight UTC); now by default.")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who; the play's owner by default.")] = None,
    driver: Annotated[str | None, typer.Option("--driver", help="Against which driver.")] = None,
    cost: Annotated[float | None, typer.Option("--cost", help="What was spent, in money.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="What the customer answered.")] = None,
    as_json: Json = False,
) -> None:
    """Record a play, so that `keepwell measure` can tell what it changed."""
    from dataclasses import asdict

    from serving import policy
    from serving.batch import opened_store
    from serving.playing import record
    from serving.store.decisions import Doing

    settings, moment = load(config), now()
    rules = policy.load(settings.policy_file)
    with opened_store(settings) as store, store.write() as db:
        doing = Doing(
            account_id=account, at=at or moment, play=play, owner=owner, driver=driver, cost=cost, outcome=outcome
        )
        kept = record(db, rules, doing, now=moment, key_id=None)
    show(as_json, asdict(kept), lambda: f"{account}: {play} on {kept.at:%Y-%m-%d} is recorded as play {kept.id}.")


@plays_app.command("list")
def list_plays(
    account: Annotated[str | None, typer.Argument(help="One account; all by default.")] = None,
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """Plays recorded in Keepwell, oldest first."""
    from dataclasses import asdict

    from serving.batch import opened_store
    from serving.store import decisions
    from training.report import tables

    with opened_store(load(config)) as store, store.read() as db:
        found = decisions.list_interventions(db, account_id=account)
    show(as_json, [asdict(one) for one in found], lambda: tables.plays(found))
