"""Files of raw rows: which there are, and what the first line of a CSV says."""

import csv
import gzip
import zlib
from pathlib import Path

from features.errors import SourceError

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq")


def find(path: str, folder: Path, name: str) -> list[Path]:
    """The files that a path or glob names, relative ones from a folder; all Parquet or CSV, none empty."""
    given = Path(path).expanduser()
    pattern = given if given.is_absolute() else folder / given
    if pattern.is_file():
        found = [pattern]
    else:
        anchor = Path(pattern.anchor)
        found = sorted(f for f in anchor.glob(str(pattern.relative_to(anchor))) if f.is_file())
    if not found:
        raise SourceError(f"[sources.{name}] path: no file matches {pattern}; check `path` and `data`")
    strange = [f for f in found if not f.name.lower().endswith(CSV_ENDINGS + PARQUET_ENDINGS)]
    if strange:
        raise SourceError(f"{strange[0]} is neither Parquet nor CSV; convert it, or select from it in `query`")
    empty = [f for f in found if f.stat().st_size == 0]
    if empty:
        raise SourceError(f"{empty[0]} is empty (0 bytes); check the export, or leave the file out")
    return found


def are_parquet(files: list[Path]) -> bool:
    """Whether the files found for one source are Parquet, as the first of them says."""
    return files[0].name.lower().endswith(PARQUET_ENDINGS)


def header(file: Path) -> tuple[str, ...]:
    """The delimiter and then the column names of a CSV's first line."""
    try:
        with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as opened:
            line = opened.readline(1 << 22).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise other_encoding(file, 1) from None
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    delimiter = max(",;\t|", key=line.count)
    return delimiter, *next(csv.reader([line], delimiter=delimiter), [])


def other_encoding(file: Path, line: int) -> SourceError:
    """A file that is not UTF-8, and what to do about it."""
    return SourceError(
        f"{file}, line {line}, is not UTF-8; re-encode it first: "
        f"iconv -f LATIN1 -t UTF-8 {file.name} > utf8-{file.name}"
    )


def first_wrong_line(file: Path) -> int | None:
    """The number of the first line that is not UTF-8; None where all are."""
    with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as opened:
        for number, line in enumerate(opened, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None
