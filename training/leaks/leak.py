"""What a leak check says of a feature."""

from dataclasses import dataclass
from typing import Literal

from training.intervals import Figure


@dataclass(frozen=True)
class Leak:
    """The verdict of one check on one feature (None: on the history). `figures` are what it was decided by."""

    check: str
    feature: str | None
    verdict: Literal["flagged", "clear"]
    figures: dict[str, Figure]
    sentence: str


def flagged(name: str, feature: str | None, figures: dict[str, Figure], words: str) -> Leak:
    """An accusation of a feature (None: of the history), in words."""
    return Leak(name, feature, "flagged", figures, f"{feature or 'history'}: {words}")
