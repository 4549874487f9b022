"""The command line. Exit codes: 0 done, 1 data or evidence refused, 2 usage."""

import os
import sys

import typer
from rich.markup import escape

from features.errors import SourceError
from retention.errors import RetentionError
from serving.errors import ServingError
from training.commands import data, effects, facts, journey, models, plays, reasons, records, retention, scores, service
from training.commands.shared import err
from training.errors import EvidenceError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Customer health and churn, with proof.",
)
for room in (data, models, scores, facts, plays, service, retention, journey, reasons, effects, records):
    app.add_typer(room.app)


def main() -> None:
    """Run a command; a refusal is one message on standard error and exit code 1."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else the number of cores decides a figure's last digits
    try:
        app()
    except (SourceError, RetentionError, ServingError, EvidenceError) as error:
        err.print("[bold red]Refused:[/bold red]", escape(str(error)), highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
