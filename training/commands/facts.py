"""What persons know of accounts and no table holds: facts set, list, clear."""

from datetime import datetime
from typing import Annotated

import typer

from features.config import Settings, load
from training.commands.shared import DEFAULT, Config, Json, err, now, show

app = typer.Typer()
facts_app = typer.Typer(no_args_is_help=True, help="What persons know of accounts: set, list, clear.")
app.add_typer(facts_app, name="facts")

Name = Annotated[str, typer.Argument(help="One of [inputs] of the policy, such as strategic.")]
Note = Annotated[str | None, typer.Option("--note", help="How it is known.")]
Known = Annotated[
    datetime | None,
    typer.Option("--at", formats=["%Y-%m-%d"], help="When it became known (midnight UTC); now by default."),
]


@facts_app.command("set")
def set_fact(
    account: str,
    name: Name,
    value: Annotated[str, typer.Argument(help="A number; a date (YYYY-MM-DD) where the name ends in _days_ago.")],
    config: Config = DEFAULT,
    note: Note = None,
    at: Known = None,
    as_json: Json = False,
) -> None:
    """Tell a fact of an account. Runs as of that moment or later read it."""
    is_new = _told(load(config), account, name, value, note, at)
    said = f"{account}: {name} is {value}." if is_new else f"{account}: {name} was {value} before; nothing changed."
    show(as_json, {"account_id": account, "name": name, "value": value, "is_new": is_new}, lambda: said)


@facts_app.command("clear")
def clear_fact(
    account: str, name: Name, config: Config = DEFAULT, note: Note = None, at: Known = None, as_json: Json = False
) -> None:
    """Take a fact back; that it was told stays in the history."""
    is_new = _told(load(config), account, name, None, note, at)
    said = f"{account}: {name} is taken back." if is_new else f"{account}: nobody told {name}; nothing changed."
    show(as_json, {"account_id": account, "name": name, "is_new": is_new}, lambda: said)


@facts_app.command("list")
def list_facts(
    account: Annotated[str | None, typer.Argument(help="One account, with its history; all by default.")] = None,
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """The facts in force; of one account all that was ever told, newest first."""
    from dataclasses import asdict

    from serving.batch import opened_store
    from serving.store import facts
    from training.report import tables

    with opened_store(load(config)) as store, store.read() as db:
        found = facts.history(db, account) if account else facts.all_in_force(db, at=now())
    show(as_json, [asdict(fact) for fact in found], lambda: tables.facts(found))


def _told(
    settings: Settings, account: str, name: str, value: str | None, note: str | None, at: datetime | None
) -> bool:
    from serving.batch import opened_store
    from serving.policy import load as load_policy
    from serving.store import accounts, runs
    from serving.telling import Teller, tell

    moment = now()
    if at is not None and at > moment:
        raise typer.BadParameter("--at lies in the future; tell it when it is known")
    policy = load_policy(settings.policy_file)
    with opened_store(settings) as store, store.write() as db:
        if runs.latest(db) is not None and accounts.account(db, account) is None:
            err.print(f"The latest run did not score {account}; the fact counts once a run does.", markup=False)
        return bool(tell(db, policy, account, {name: value}, Teller(now=moment, at=at or moment), note=note))
