"""The five stages of a data-driven loop, each with what it has made so far (systems P11)."""

from datetime import datetime

from retention.blocks import Block, Column, rows
from retention.inputs import Inputs
from retention.reasons.causes import FOUND

HIGH, NAMED = "risk_level = 'high'", f"item LIKE '{FOUND}%'"
STAGES = (
    ("Identify risk early", "scores and warnings", "keepwell score --store", "score_history", "as_of", "TRUE"),
    ("Understand drivers", "drivers of each account", "keepwell explain", "driver_history", "as_of", "TRUE"),
    ("Prioritise effort", "accounts at high risk", "the portfolio page", "score_history", "as_of", HIGH),
    ("Measure the effect", "plays with arm and outcome", "keepwell measure", "known_interventions", "at", "TRUE"),
    ("Optimise over time", "post-mortems with a cause", "keepwell postmortem", "check_history", "at", NAMED),
)


def loop(inputs: Inputs) -> Block:
    """Track, measure, improve, repeat: what each stage has left behind, and when it last did."""
    told = []
    for stage, artefact, where, table, clock, kept in STAGES:
        n, newest = inputs.rows(f"SELECT COUNT(*), MAX(r.{clock}) FROM {table} r WHERE {kept}")[0]
        told.append((stage, artefact, where, int(str(n)), newest if isinstance(newest, datetime) else None))
    return Block(
        id="loop",
        title="The loop: track, measure, improve, repeat",
        systems=("P11",),
        says="The five stages, what each leaves behind and where it is shown, how many rows of it there are, and when "
        "the last was made. A stage without rows is not done yet.",
        columns=(
            Column("stage", "Stage"),
            Column("artefact", "Leaves behind"),
            Column("where", "Shown by"),
            Column("rows", "Rows", "count"),
            Column("newest", "Last", "day"),
        ),
        rows=rows(told),
    )
