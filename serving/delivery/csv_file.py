"""A CSV file a run: whole or not at all, each event once, nothing in it that a spreadsheet would run."""

import csv
import fcntl
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from features.replacing import replacing
from serving.delivery.events import SCALARS

ABOUT = ("id", "type", "occurred_at")
ALERT = ("severity", "text", "play", "owner_role", "due_at")
COLUMNS = (*ABOUT, *ALERT, *SCALARS)

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


def file_of(folder: Path, target: str, at: datetime) -> Path:
    """The file of a target for the run of a moment."""
    return folder / f"{target}-{at:%Y%m%dT%H%M%S}.csv"


def append(path: Path, events: Sequence[Mapping[str, Any]]) -> int:
    """Append envelopes to a file, or leave it as it was; how many were new: an id that is there is not added again.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        held = path.read_bytes().decode() if path.exists() else _line(COLUMNS)
        known = {row["id"] for row in csv.DictReader(StringIO(held))}
        new = {event["id"]: event for event in events if event["id"] not in known}
        if new:
            with replacing(path) as partial:
                partial.write_text(held + "".join(map(_row, new.values())), encoding="utf-8", newline="")
    return len(new)


def erase(folder: Path, target: str, account_id: str) -> int:
    """Take an account's rows out of all files of a target, each replaced whole or left as it was; how many rows.

    Raises:
        OSError: a file cannot be read or written; those before it are done.
    """
    if not folder.is_dir():
        return 0
    ours = re.compile(rf"{re.escape(target)}-\d{{8}}T\d{{6}}\.csv")
    with _alone(folder):
        return sum(_without(path, account_id) for path in sorted(folder.iterdir()) if ours.fullmatch(path.name))


def _without(path: Path, account_id: str) -> int:
    header, *rows = csv.reader(StringIO(path.read_bytes().decode(), newline=""))
    at, cell = header.index("external_id"), safe(account_id)
    left = [row for row in rows if row[at] != cell]
    if len(left) < len(rows):
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *left])
    return len(rows) - len(left)


def safe(value: Any) -> Any:
    """A cell: text that a spreadsheet would take for a formula gets an apostrophe before it, numbers stay numbers."""
    if isinstance(value, str) and value.startswith(RISKY):
        return f"'{value}"
    return value


def _row(event: Mapping[str, Any]) -> str:
    account, alert = event["data"].get("object") or {}, event["data"].get("alert") or {}
    alert = {**alert, "owner_role": alert.get("owner")}
    cells = [*(event[name] for name in ABOUT), *(alert.get(name) for name in ALERT)]
    return _line([*cells, *(account.get(name) for name in SCALARS)])


def _line(cells: Sequence[Any]) -> str:
    text = StringIO()
    csv.writer(text).writerow([safe(cell) for cell in cells])
    return text.getvalue()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process appends in this folder meanwhile."""
    with (folder / ".keepwell.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
