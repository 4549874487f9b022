"""Follow `models:/NAME@champion` without importing MLflow: a child process tells when the alias moves.

The child is started again when it dies. Whatever happens to it or to MLflow, the last good model stays. Of several
processes that serve together one has a child; it tells the others.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import IO, Self

from serving.api import logs
from serving.api.models import ModelHolder
from serving.api.together import Together

AGAIN_SECONDS = 2.0
"""How long to wait before a child that died is started again."""
LOOK_SECONDS = 0.1
"""Between two looks at what the process with the child was told."""


def command(config: Path) -> list[str]:
    """The child."""
    return [sys.executable, "-m", "serving.registry", "--config", str(config)]


class Follower:
    """A context manager: while it is open, the holder is offered what the child tells.

    Args:
        holder: takes the models that prove themselves.
        child: the command that prints a JSON object a line (see `serving.registry.Champion`).
        clock: now, naive UTC.
        again_seconds: pause before a dead child is started again.
        together: the processes that serve beside this one.

    `starts` counts how often a child was started.
    """

    def __init__(
        self,
        holder: ModelHolder,
        child: Sequence[str],
        clock: Callable[[], datetime],
        *,
        again_seconds: float = AGAIN_SECONDS,
        together: Together | None = None,
    ) -> None:
        self._holder, self._child, self._clock, self._again = holder, list(child), clock, again_seconds
        self._stop, self._together, self._read = Event(), together, ""
        self._known: dict[str, str | None] = {}
        self.starts = 0
        self._process: subprocess.Popen[str] | None = None
        self._thread = Thread(target=self._run, name="follower", daemon=True)

    @property
    def pid(self) -> int | None:
        """The child's process id, None before it was started."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        if self._together:
            self._hear_new(self._together)  # who is started again takes no request before it has the model
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._together is None or self._together.leads():
                self._ask()
            else:
                self._read_on(self._together)

    def _ask(self) -> None:
        """By a child, until it ends."""
        with subprocess.Popen(
            self._child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            self._process = process
            self.starts += 1
            assert process.stdout is not None
            self._listen(process.stdout)
            process.terminate()
        if not self._stop.wait(self._again):
            logs.tell("follower started again", code=process.returncode)

    def _read_on(self, together: Together) -> None:
        self._hear_new(together)
        self._stop.wait(LOOK_SECONDS)

    def _hear_new(self, together: Together) -> None:
        """What the process with the child was told, if that is new."""
        told = together.published()
        if told and told != self._read:
            self._read, self._known = told, json.loads(told)
            self._heard(self._known)

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            if self._stop.is_set():
                return
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a library's chatter
            # who is started again while MLflow is away needs the last model that it named
            self._known = {**self._known, "error": told["error"]} if told.get("error") else told
            if self._together:
                self._together.publish(json.dumps(self._known))
            self._heard(self._known)

    def _heard(self, told: dict[str, str | None]) -> None:
        holder, version, folder = self._holder, told.get("version"), told.get("folder")
        holder.told = told.get("error")
        if holder.told is not None:
            logs.tell("registry does not answer", error=holder.told)
        if version is None or folder is None:
            holder.answered = holder.answered or holder.told is None
        elif holder.current is None or holder.current.version != version:
            is_taken = holder.offer(Path(folder), version, at=self._clock(), run_id=told.get("run_id"))
            logs.tell("model taken into service" if is_taken else "model refused", version=version, why=holder.refused)
        if self._together and holder.problem() is None:
            self._together.tell_ready()
