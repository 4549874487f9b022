"""The stages of a job: shown while they run, and how long each took."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, process_time

Stage = Callable[[str, int, int], None]
"""Called with (what is being done, units done, units in all) when a stage begins or goes on."""


def silent(what: str, done: int, whole: int) -> None:
    """A `Stage` that shows nothing."""


@dataclass
class Took:
    """Seconds that a stage took, and CPU seconds of the whole process meanwhile."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class Clock:
    """A `Stage` that hands on what it is told; the time from one call to the next is that of the stage of the first.

    `took` is by stage, in the order in which they began; `stop` ends the last.
    """

    tell: Stage
    took: dict[str, Took] = field(default_factory=dict)
    _since: tuple[str, float, float] | None = None

    def __call__(self, what: str, done: int, whole: int) -> None:
        """A stage begins or goes on."""
        self.stop()
        self.took.setdefault(what, Took())
        self._since = what, perf_counter(), process_time()
        self.tell(what, done, whole)

    def stop(self) -> None:
        """The stage that is going on has ended."""
        if self._since is None:
            return
        what, began, worked = self._since
        self.took[what].seconds += perf_counter() - began
        self.took[what].cpu_seconds += process_time() - worked
        self._since = None
