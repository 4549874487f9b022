"""What every verb shares: its options, where it prints, and how it shows progress."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT, SIGTERM, signal
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from serving.stages import Clock

if TYPE_CHECKING:
    from subprocess import Popen

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


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Progress on standard error: one bar a stage, gone when all is done."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, whole: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=whole)
            for name, task in tasks.items():
                bar.update(task, visible=name == what)
            bar.update(tasks[what], completed=done, total=whole)

        yield tell


@contextmanager
def clocked() -> Iterator[Clock]:
    """Progress that also counts how long each stage takes."""
    with progress() as tell:
        clock = Clock(tell)
        yield clock
        clock.stop()


def show(as_json: bool, told: Any, tables: Callable[[], Any]) -> None:
    """Print an object for machines, or else its tables (those that `tables` returns, or prints itself)."""
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2, default=str, allow_nan=False) + "\n")
        return
    shown = tables()
    if shown is not None:
        out.print(shown)


def now() -> datetime:
    """Now, naive UTC, as the store keeps moments."""
    return datetime.now(UTC).replace(tzinfo=None)


def until_stopped(process: "Popen[bytes]") -> int:
    """Wait for a process; Ctrl-C and SIGTERM end it in good order. Its exit code, 0 where we ended it."""
    ended = Event()

    def end(*_: object) -> None:
        ended.set()
        process.terminate()

    for one in (SIGINT, SIGTERM):  # a library may have made SIGINT wait until waiting is over
        signal(one, end)
    code = process.wait()
    return 0 if ended.is_set() else code
