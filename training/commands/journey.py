"""Where one account is on its way, and what it got out of it: checklist show, checklist tick, value."""

from datetime import datetime
from typing import Annotated

import typer

from features.config import load
from training.commands.shared import DEFAULT, Config, Json, Newest, err, now, out, progress, show

app = typer.Typer()
checklist_app = typer.Typer(no_args_is_help=True, help="The checklist of an account's phase: show, tick.")
app.add_typer(checklist_app, name="checklist")

Done = Annotated[
    datetime | None,
    typer.Option("--at", formats=["%Y-%m-%d"], help="When it was done (midnight UTC); now by default."),
]


@checklist_app.command("show")
def show_checklist(account: str, config: Config = DEFAULT, as_of: Newest = None, as_json: Json = False) -> None:
    """Where an account is: its stage, the checklists of its phases, and what is overdue."""
    from retention.errors import RetentionError
    from retention.journey.state import account_state
    from serving.batch import opened_store
    from serving.measuring import inputs_of
    from serving.ticking import ticked
    from training.report import journey_tables

    settings = load(config)
    with opened_store(settings) as store, store.read() as db:
        said = ticked(db, account) if as_of is None else None
    with progress() as tell, inputs_of(settings, as_of, tell) as inputs:
        tell("looking", 0, 1)
        found = account_state(inputs, account, said)
        if found is None:
            raise RetentionError(f"{account} is no customer as of {inputs.as_of:%Y-%m-%d}; correct the id or the date")
    show(as_json, found.as_json(), lambda: out.print(journey_tables.state(found)))


@checklist_app.command("tick")
def tick_item(
    account: str,
    item: Annotated[str, typer.Argument(help="PHASE.ITEM, such as onboarding.setup.")],
    config: Config = DEFAULT,
    undo: Annotated[bool, typer.Option("--undo", help="Take the tick back.")] = False,
    note: Annotated[str | None, typer.Option("--note", help="How it is known.")] = None,
    at: Done = None,
    as_json: Json = False,
) -> None:
    """Tick an item, or take the tick back; both stay in the history."""
    from retention import house
    from serving.batch import opened_store
    from serving.store.checks import Check
    from serving.telling import COMMAND_LINE
    from serving.ticking import tick

    settings, moment = load(config), now()
    if at is not None and at > moment:
        raise typer.BadParameter("--at lies in the future; tick it when it is done")
    phases = house.load(settings.retention_file).phases
    check = Check(account_id=account, item=item, at=at or moment, by=COMMAND_LINE, is_done=not undo, note=note)
    with opened_store(settings) as store, store.write() as db:
        is_new = tick(db, phases, check, now=moment)
    said = f"{account}: {item} was not ticked; nothing changed."
    if is_new:
        said = f"{account}: {item} is {'open again' if undo else 'done'}."
    show(as_json, {"account_id": account, "item": item, "is_done": not undo, "is_new": is_new}, lambda: said)


@app.command()
def value(
    account: str,
    config: Config = DEFAULT,
    as_of: Newest = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown alone, to send on.")] = False,
    as_json: Json = False,
) -> None:
    """What a customer got out of it in the last quarter: milestones, value gained, peers, in short."""
    from rich.markdown import Markdown

    from retention.journey.value import value_report
    from serving.measuring import inputs_of

    with progress() as tell, inputs_of(load(config), as_of, tell) as inputs:
        tell("looking", 0, 1)
        found = value_report(inputs, account)
    if found.goal_attainment is None:
        err.print("Nobody told how far they reach their goals: `keepwell facts set ACCOUNT goal_attainment 0.8`.")
    if markdown:
        typer.echo(found.as_markdown(), nl=False)
        return
    show(as_json, found.as_json(), lambda: out.print(Markdown(found.as_markdown())))
