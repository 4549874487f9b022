"""What an account's page says after a form was taken."""

from collections.abc import Sequence

from serving.api.answers import Fault
from serving.pages.door import Visit

FLASHES = {
    "decided": "Your decision is recorded; it is the first in the history below.",
    "told": "What you told is recorded; the next run reads it.",
    "done": "The play is recorded; what it changes is measured when its time is over.",
    "found": "The cause is recorded; the next report counts it.",
}
"""By the field of the page's address that says which form it was."""


def flash(visit: Visit, faults: Sequence[Fault]) -> str | None:
    """The sentence; None where no form was taken."""
    return next((said for name, said in FLASHES.items() if name in visit.query and not faults), None)
