"""The retention report: every chapter that the company's data allow, as of one moment."""

from collections.abc import Callable

from retention import capacity, health, voice
from retention.blocks import Chapter, Report
from retention.effects.chapter import chapter as effects
from retention.inputs import Inputs
from retention.journey import chapter as journey
from retention.ledger.chapter import chapter as ledger
from retention.metrics import METRICS
from retention.reasons import chapter as reasons

Tell = Callable[[str, int, int], None]

CHAPTERS: tuple[tuple[str, Callable[[Inputs], Chapter]], ...] = (
    ("what happened", ledger),
    ("health", health.chapter),
    ("voice", voice.chapter),
    ("journey", journey.chapter),
    ("reasons", reasons.chapter),
    ("effects", effects),
    ("plan", capacity.chapter),
)
"""The chapters in the order in which a reader wants them: name for the progress bar, and what makes it."""


def measure(inputs: Inputs, tell: Tell) -> Report:
    """Measure everything as of a moment."""
    chapters = []
    for done, (name, make) in enumerate(CHAPTERS):
        tell(f"measuring: {name}", done, len(CHAPTERS))
        chapters.append(make(inputs))
    return Report(
        as_of=inputs.as_of,
        company=inputs.settings.company.name,
        chapters=tuple(chapter for chapter in chapters if chapter.blocks or chapter.not_measured),
        definitions={name: metric.digest for name, metric in METRICS.items()},
    )
