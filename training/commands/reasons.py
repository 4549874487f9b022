"""Why customers leave, and what would have warned of it: postmortem, mine, tune."""

from pathlib import Path
from typing import Annotated

import typer

from features.config import load
from training.commands.shared import DEFAULT, Config, Json, Newest, err, out, progress, show

app = typer.Typer()


@app.command()
def postmortem(
    account: str,
    config: Config = DEFAULT,
    as_of: Newest = None,
    cause: Annotated[
        str | None, typer.Option("--cause", help="What it really was, as in retention.toml: value.no_return.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="What is learned; goes with --cause.")] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown as it is.")] = False,
    as_json: Json = False,
) -> None:
    """What there was to be seen before an account was lost, what was tried, and what was missed."""
    from rich.markdown import Markdown

    from retention.reasons.markdown import as_markdown as written
    from serving.postmortem import name_cause
    from serving.postmortem import postmortem as look

    if note and not cause:
        raise typer.BadParameter("--note goes with --cause: say which cause was found")
    settings = load(config)
    with progress() as tell:
        found = (
            name_cause(settings, account, cause, as_of, tell, note=note)
            if cause
            else look(settings, account, as_of, tell)
        )
    if as_markdown:
        out.print(written(found), markup=False, highlight=False, soft_wrap=True)
        return
    show(as_json, found.as_json(), lambda: Markdown(written(found)))


@app.command()
def mine(
    config: Config = DEFAULT,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A new file for the accepted rules, as warnings of a policy.toml.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Early-warning rules: found in history, tested on a later period."""
    from features.engine import open_engine
    from retention import house
    from serving.policy import load as load_policy
    from training import mined_policy, mining
    from training.past import past
    from training.report import block_tables

    settings = load(config)
    rules, gates = load_policy(settings.policy_file), house.load(settings.retention_file).mining
    with open_engine(settings.home_dir) as engine, progress() as tell:
        before = past(settings, engine, lambda done, whole: tell("features", done, whole))
        tell("mining", 0, 1)
        found = mining.mined(before, gates)
    told = mining.chapter(found)
    show(as_json, told.as_json(), lambda: out.print(block_tables.blocks(told, every_row=False)))
    if policy:
        err.print(f"{mined_policy.write(found, rules, policy)} rules written to {policy}.")


@app.command()
def tune(config: Config = DEFAULT, as_json: Json = False) -> None:
    """What every warning and tier of the policy would have done, and would do at other thresholds."""
    from features.engine import open_engine
    from serving.policy import load as load_policy
    from training.past import past
    from training.report import block_tables
    from training.tuning import chapter

    settings = load(config)
    rules = load_policy(settings.policy_file)
    with open_engine(settings.home_dir) as engine, progress() as tell:
        before = past(settings, engine, lambda done, whole: tell("features", done, whole))
        tell("judging alarms", 0, 1)
        found = chapter(settings, before, rules)
    show(as_json, found.as_json(), lambda: out.print(block_tables.blocks(found)))
