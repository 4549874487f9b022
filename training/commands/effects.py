"""What plays did and whom to leave alone: uplift, cases, holdout show, draw, release."""

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from features.config import load
from training.commands.shared import DEFAULT, Config, Json, Newest, err, now, out, progress, show

app = typer.Typer()
holdout_app = typer.Typer(no_args_is_help=True, help="Accounts that plays leave alone, so that effects are measured.")
app.add_typer(holdout_app, name="holdout")


@app.command()
def uplift(config: Config = DEFAULT, as_of: Newest = None, as_json: Json = False) -> None:
    """Whom a play would change most, learned from the holdout, and how well that ranks."""
    from retention.effects import learned
    from serving.measuring import inputs_of
    from training.report import block_tables

    with progress() as tell, inputs_of(load(config), as_of, tell) as inputs:
        found = learned.chapter(inputs, tell)
    show(as_json, found.as_json(), lambda: out.print(block_tables.blocks(found, every_row=False)))


@app.command()
def cases(
    output: Annotated[Path, typer.Option("--out", help="JSON file.")],
    config: Config = DEFAULT,
    as_of: Newest = None,
    as_json: Json = False,
) -> None:
    """Closed cases without a name, to learn from together: what was seen, what was done, what became of it."""
    from features.replacing import replacing
    from retention.effects import cases as made
    from retention.effects.export import shared_cases
    from serving.measuring import inputs_of

    with progress() as tell, inputs_of(load(config), as_of, tell) as inputs:
        made.make(inputs)
        rows, left_out = shared_cases(inputs)
    with replacing(output) as partial:
        partial.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    told = {"cases": len(rows), "left_out": left_out, "out": output}
    show(as_json, told, lambda: f"{len(rows):,} cases written to {output}; {left_out:,} were too rare to show.")


@holdout_app.command("show")
def show_holdout(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Who is held out, since when; how many were drawn."""
    from serving.batch import opened_store
    from serving.store import holdouts
    from training.report.layout import table

    with opened_store(load(config)) as store, store.read() as db:
        drawn = list(holdouts.all_drawn(db).values())
    held = [one for one in drawn if one.arm == "holdout"]

    def tell() -> None:
        made = table("Account", "Held out since", "Share", "Released", "By", "Because")
        for one in held:
            released = f"{one.released_at:%Y-%m-%d}" if one.released_at else ""
            share = f"{100 * one.share:g} %"
            made.add_row(
                one.account_id, f"{one.drawn_at:%Y-%m-%d}", share, released, one.released_by or "", one.note or ""
            )
        out.print(made, f"{len(held):,} of {len(drawn):,} accounts drawn are held out.")

    show(as_json, {"drawn": len(drawn), "held_out": [asdict(one) for one in held]}, tell)


@holdout_app.command("draw")
def draw_holdout(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Draw the candidates of the newest kept run now, instead of at the next run; nobody is drawn twice."""
    from serving.batch import opened_store
    from serving.holding import draw_newest

    settings = load(config)
    with opened_store(settings) as store:
        drawn = draw_newest(settings, store)
    held = [one.account_id for one in drawn if one.is_held]
    told = {"drawn": len(drawn), "held_out": held}
    show(as_json, told, lambda: f"{len(drawn):,} accounts drawn, {len(held):,} of them are held out.")


@holdout_app.command("release")
def release_holdout(
    account: str,
    because: Annotated[str, typer.Option("--because", help="Why; it is kept with the account.")],
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """Let plays reach a held-out account from now on; it is reported, and stays in the arm that was drawn."""
    from serving.batch import opened_store
    from serving.store import holdouts

    with opened_store(load(config)) as store, store.write() as db:
        holdouts.release(db, account, at=now(), by=getpass.getuser(), note=because)
    show(as_json, {"account_id": account, "released": True}, lambda: err.print(f"{account} is released."))
