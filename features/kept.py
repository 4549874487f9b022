"""The feature table as it is kept: a folder of Parquet files, one a snapshot, of which a run computes what is missing.

A file's name holds the fingerprint of what it was computed from (`features.tallies`), so rows that arrive late leave a
file under an old name, and its snapshot is computed again. Files appear whole or not at all and hold the same
for the same name: a run that was interrupted goes on where it was, and two at once do the same work twice at worst.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue import Catalogue, Vocabulary
from features.engine import Engine
from features.errors import SourceError
from features.replacing import drop_others, replacing
from features.sources import Staged
from features.stretches import Stretches
from features.table import ROWS_AT_ONCE, accounts_of, build_parts, compute, schema, write
from features.tallies import Tally, fingerprint, fingerprints, tallies

ABOUT = "about.json"
ROWS_A_FILE = 1_000
"""Fewer rows a snapshot are not worth a file."""
CATALOGUES = 3
"""Tables of so many catalogues are kept, those that were used last."""


@dataclass(frozen=True)
class Kept:
    """A feature table that is up to date: its Parquet files by snapshot, and the snapshots computed for it now."""

    folder: Path
    files: dict[datetime, Path]
    computed: tuple[datetime, ...]
    schema: pa.Schema

    def parts(self) -> Iterator[pa.Table]:
        """The table one snapshot at a time, in order, as `features.table.build` gives it."""
        for _, file in sorted(self.files.items()):
            yield pq.ParquetFile(file).read().cast(self.schema)


def keep(engine: Engine, staged: Staged, catalogue: Catalogue, home: Path, tell: Callable[[int, int], None]) -> Kept:
    """Bring the kept feature table of the spine's snapshots up to date.

    Args:
        engine: with the staged sources and the table `spine`.
        staged: the sources.
        catalogue: the features; another catalogue has a table of its own.
        home: the company's folder.
        tell: called with (rows done, rows in all that are to be computed).
    """
    folder = home / "features" / _digest(catalogue)
    counted = engine.rows("SELECT snapshot_at, COUNT(*) FROM spine GROUP BY snapshot_at ORDER BY snapshot_at")
    rows = {day: int(str(n)) for day, n in counted if isinstance(day, datetime)}
    tallied = tallies(engine, staged)
    seen = fingerprints(engine, staged, tallied, rows)
    files = {day: folder / f"snapshot_at={day:%Y-%m-%d}" / f"{print_}.parquet" for day, print_ in seen.items()}
    missing = [day for day, file in files.items() if not file.exists()]
    _tell_about(folder, catalogue)
    if missing:
        listed = ", ".join(engine.moment(day) for day in missing)
        engine.create("missing_spine", f"SELECT * FROM spine WHERE snapshot_at IN ({listed})")
        usage, there = tallied.get("usage", []), home / "features" / "stretches"
        stretches = _stretches(engine, staged, catalogue, there, usage, missing)
        for part in compute(engine, staged, catalogue, "missing_spine", stretches=stretches):
            table = part.fetch(engine).cast(schema(catalogue))
            for day in part.days:
                write([table.filter(pc.field("snapshot_at") == day)], table.schema, files[day])
                drop_others(files[day])
            del table  # while the next one is computed
            tell(part.done, sum(rows[day] for day in missing))
    return Kept(folder, files, tuple(missing), schema(catalogue))


def parts(
    engine: Engine, staged: Staged, catalogue: Catalogue, home: Path, tell: Callable[[int, int], None]
) -> Iterator[pa.Table]:
    """The spine's features as `features.table.build` gives them, some snapshots at a time; a large table is kept.

    A small one is computed sooner than it is looked up, and one with few accounts a date, as before renewals, would
    be many small files.
    """
    [(rows, dates)] = engine.rows("SELECT COUNT(*), COUNT(DISTINCT snapshot_at) FROM spine")
    if engine.name == "duckdb" and int(str(rows)) > max(ROWS_AT_ONCE, ROWS_A_FILE * int(str(dates))):
        yield from keep(engine, staged, catalogue, home, tell).parts()
        return
    for done, part in build_parts(engine, staged, catalogue):
        yield part
        tell(done, int(str(rows)))


def vocabulary(home: Path) -> Vocabulary | None:
    """The words of the table that was kept last, so that the next run's columns are the same; None without one."""
    kept = sorted((home / "features").glob(f"*/{ABOUT}"), key=lambda path: path.stat().st_mtime)
    if not kept:
        return None
    try:
        return Vocabulary.from_dict(json.loads(kept[-1].read_text(encoding="utf-8"))["vocabulary"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise SourceError(f"{kept[-1]} is not what Keepwell wrote there ({error}); remove {kept[-1].parent}") from error


def _stretches(
    engine: Engine, staged: Staged, catalogue: Catalogue, folder: Path, usage: list[Tally], days: list[datetime]
) -> Stretches | None:
    """Usage added up by stretches, kept by what they were added up from; where those lie that are there already."""
    if "usage" not in staged.sources or staged.versioned("usage"):
        return None
    holds = [catalogue.needs(column) for column in ("usage.session_id", "usage.value")]
    folder = folder / hashlib.sha256(repr((holds, *_code())).encode()).hexdigest()[:8]
    there = sorted(folder.glob("*/*.parquet"))
    start = datetime.fromisoformat(there[0].parent.name) if there else days[0]

    def file(begin: datetime, end: datetime) -> Path:
        return folder / f"{begin:%Y-%m-%d}" / f"{fingerprint(usage, begin, end)}.parquet"

    return Stretches(engine, days, accounts_of(engine, "missing_spine"), start, catalogue, file)


def _digest(catalogue: Catalogue) -> str:
    """Names a catalogue: its SQL, its words, and what reads them."""
    told = {"features": [asdict(f) for f in (*catalogue.steps, *catalogue.features)], "code": _code()}
    return hashlib.sha256(json.dumps(told | asdict(catalogue.vocabulary), sort_keys=True).encode()).hexdigest()[:16]


def _code() -> tuple[str, str]:
    """The versions of what computes features, and of the engine whose hashes the fingerprints are made of."""
    return version("keepwell"), duckdb.__version__


def _tell_about(folder: Path, catalogue: Catalogue) -> None:
    """Write what the folder is of, which makes it the one used last, and remove those not used for long."""
    told = {"vocabulary": asdict(catalogue.vocabulary), "features": catalogue.as_rows()}
    with replacing(folder / ABOUT) as partial:
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
    used = sorted(folder.parent.glob(f"*/{ABOUT}"), key=lambda path: path.stat().st_mtime)
    for old in used[:-CATALOGUES]:
        rmtree(old.parent, ignore_errors=True)
