"""A look at the first rows of a folder's files, tolerant of the broken values that raw files have."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from features.dialect import quoted
from features.errors import SourceError
from features.sources.files import CSV_ENDINGS, PARQUET_ENDINGS

SAMPLE = 10_000
"""Rows of each file that are looked at."""

NEARLY_ALL = 0.95
"""Share of rows that make a rule: raw files have broken ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """The first rows of a file, in a table `rows`, and the type that nearly all values of a column have."""

    path: str
    read: str
    db: duckdb.DuckDBPyConnection
    types: dict[str, str]

    def share(self, condition: str) -> float:
        """Share of the rows for which an SQL condition, which may look at other rows, holds."""
        judged = f"SELECT CAST({condition} AS INTEGER) AS holds FROM rows"
        [(share,)] = self.db.execute(f"SELECT COALESCE(AVG(holds), 0) FROM ({judged})").fetchall()
        return float(share)

    def values(self, column: str) -> list[str]:
        """The column's values as lower case text, the most frequent first."""
        text = f"LOWER(TRIM(CAST({column_name(column)} AS VARCHAR)))"
        order = "GROUP BY 1 ORDER BY COUNT(*) DESC, 1"
        return [row[0] for row in self.db.execute(f"SELECT {text} FROM rows WHERE {text} <> '' {order}").fetchall()]

    def tells_rows_apart(self, columns: Sequence[str]) -> bool:
        """Whether nearly every row has values of its own in these columns."""
        key = ", ".join(column_name(column) for column in columns)
        return self.share(f"COUNT(*) OVER (PARTITION BY {key}) = 1") >= NEARLY_ALL


def patterns(folder: Path) -> list[str]:
    """Paths relative to the folder, with `*` where several files differ by a number or share a subfolder."""
    groups: dict[str, list[str]] = {}
    files = sorted([*folder.glob("*"), *folder.glob("*/*")])
    for file in files:
        ending = next((e for e in (*CSV_ENDINGS, *PARQUET_ENDINGS) if file.name.lower().endswith(e)), None)
        inside = file.relative_to(folder)
        if ending is None or not file.is_file() or inside.parts[0].startswith(".") or not file.stat().st_size:
            continue
        stem = re.sub(r"\d[\d_-]*$", "", file.name[: -len(ending)])
        shared = f"{inside.parent}/*{ending}" if len(inside.parts) > 1 else f"{stem}*{ending}"
        groups.setdefault(shared, []).append(inside.as_posix())
    return [shared if len(paths) > 1 else paths[0] for shared, paths in groups.items()]


def look_at(folder: Path, pattern: str) -> Look:
    """Look at one file, or at the files of one pattern.

    Raises:
        SourceError: it cannot be read.
    """
    path = quoted(str(folder / pattern))
    read = f"read_parquet('{path}')"
    if not pattern.lower().endswith(PARQUET_ENDINGS):
        read = f"read_csv('{path}', header = true, ignore_errors = true)"
    db = duckdb.connect()
    try:
        db.execute(f"CREATE TABLE rows AS SELECT * FROM {read} LIMIT {SAMPLE}")
    except duckdb.Error as error:
        raise SourceError(f"{folder / pattern} cannot be read: {error}") from error
    types = {row[0]: row[1] for row in db.execute("DESCRIBE rows").fetchall()}
    look = Look(path=pattern, read=read, db=db, types={})
    return replace(look, types={c: _meant(look, c) if kind == "VARCHAR" else kind for c, kind in types.items()})


def _meant(look: Look, column: str) -> str:
    """The type that nearly all values of a text column have: a few broken ones are for the quarantine."""
    given = f"NULLIF(TRIM({column_name(column)}), '')"
    for kind in ("DOUBLE", "TIMESTAMP"):
        fits = look.share(f"{given} IS NULL OR TRY_CAST({given} AS {kind}) IS NOT NULL")
        if fits >= NEARLY_ALL and look.share(f"{given} IS NOT NULL"):
            return kind
    return "VARCHAR"


def is_named(path: str, word: str) -> bool:
    """Whether a word of the path begins with this one: `events/2024.csv` is named `event`."""
    return any(part.startswith(word) for part in plain(path).split("_"))


def column_name(column: str) -> str:
    """The column as SQL names it."""
    return '"' + column.replace('"', '""') + '"'


def plain(name: str) -> str:
    """A name in lower case with underscores: `CustomerID` and `customer-id` are `customer_id`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
