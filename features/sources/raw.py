"""Raw rows as the company keeps them: files in place, SQL over files, or a database read through Arrow."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from features.config import Mapping, Settings
from features.engine import Engine, quoted
from features.errors import SourceError
from features.sources.remote import read_database, read_store, without_secret

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A relation of the engine that holds one source's raw rows, and where they came from in words.

    `columns` are their SQL types. Rows that are `in_place` stay in their Parquet files and are scanned
    there. `rejected` names the table of CSV lines that do not have the columns of their header.
    """

    relation: str
    place: str
    columns: dict[str, str]
    in_place: bool = False
    rejected: str | None = None


def open_raw(name: str, mapping: Mapping, settings: Settings, engine: Engine, text: Sequence[str]) -> Raw:
    """Make one source's raw rows a relation of the engine.

    Args:
        name: the canonical source.
        mapping: where its rows are.
        settings: the configuration, for the folder that relative paths start from.
        engine: where the relation is made.
        text: mapped values that must keep their textual form in a CSV ('00123' stays '00123').

    Raises:
        SourceError: nothing is there, it is empty, or it cannot be read.
    """
    relation = f"_raw_{name}"
    if mapping.database and mapping.query:
        place = f"[sources.{name}] query on {without_secret(mapping.database)}"
        read_database(mapping.database, mapping.query, relation, place, engine)
        return _described(Raw(relation=relation, place=place, columns={}), engine)
    if mapping.query:
        return _from_query(mapping.query, relation, name, settings.data_dir, engine)
    assert mapping.path is not None
    if "://" in mapping.path:
        read_store(mapping.path, relation, engine)
        return _described(Raw(relation=relation, place=mapping.path, columns={}), engine)
    files = _files(mapping.path, settings.data_dir, name)
    place = mapping.path
    if files[0].name.lower().endswith(PARQUET_ENDINGS):
        _attempt(engine, f'CREATE OR REPLACE VIEW "{relation}" AS {_parquet(files)}', place)
        return _described(Raw(relation=relation, place=place, columns={}, in_place=True), engine)
    rejected = _from_csv(files, relation, place, text, engine)
    return _described(Raw(relation=relation, place=place, columns={}, rejected=rejected), engine)


def _described(raw: Raw, engine: Engine) -> Raw:
    columns = {str(row[0]): str(row[1]) for row in engine.rows(f'DESCRIBE "{raw.relation}"')}
    if not engine.rows(f'SELECT 1 FROM "{raw.relation}" LIMIT 1') and not _has_rejected(raw, engine):
        raise SourceError(f"{raw.place} is empty: it has no rows; check the export, or leave the source out")
    return replace(raw, columns=columns)


def _has_rejected(raw: Raw, engine: Engine) -> bool:
    return raw.rejected is not None and bool(engine.rows(f'SELECT 1 FROM "{raw.rejected}" LIMIT 1'))


def _files(path: str, folder: Path, name: str) -> list[Path]:
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


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{quoted(str(f))}'" for f in files) + "]"


def _parquet(files: Sequence[Path]) -> str:
    return f"SELECT * FROM read_parquet({_list(files)}, union_by_name = {len(files) > 1})"


def _from_csv(files: list[Path], relation: str, place: str, text: Sequence[str], engine: Engine) -> str:
    """Read CSV files once. Types are told from every row, so a late odd value makes a column text.

    Returns the name of the table that holds the lines it could not take apart.
    """
    for table in ("rejects", "scans"):
        engine.run(f'DROP TABLE IF EXISTS "{relation}_{table}"')
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        alike.setdefault(_header(file), []).append(file)
    parts = []
    for number, (header, group) in enumerate(alike.items()):
        part = relation if len(alike) == 1 else f"{relation}_{number}"
        _attempt(engine, f'CREATE OR REPLACE TABLE "{part}" AS {_csv(header, group, relation, text)}', place)
        parts.append(part)
    _refuse_other_encodings(relation, engine)
    if len(parts) > 1:
        engine.create(relation, " UNION ALL BY NAME ".join(f'SELECT * FROM "{part}"' for part in parts))
        for part in parts:
            engine.run(f'DROP TABLE "{part}"')
    return f"{relation}_rejects"


def _csv(header: tuple[str, ...], files: list[Path], relation: str, text: Sequence[str]) -> str:
    """SQL that reads CSV files of one header; plain columns mapped to text are not taken for numbers."""
    delimiter, *columns = header
    kept = ", ".join(f"'{quoted(c)}': 'VARCHAR'" for c in dict.fromkeys(text) if c in columns)
    return (
        f"SELECT * FROM read_csv({_list(files)}, header = true, delim = '{delimiter}', quote = '\"', "
        f"escape = '\"', sample_size = -1, files_to_sniff = -1, types = {{{kept}}}, store_rejects = true, "
        f"rejects_table = '{relation}_rejects', rejects_scan = '{relation}_scans')"
    ).replace("types = {}, ", "")


def _header(file: Path) -> tuple[str, ...]:
    """The delimiter and then the column names of a CSV's first line."""
    try:
        with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as opened:
            line = opened.readline(1 << 22).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _other_encoding(file, 1) from None
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    delimiter = max(",;\t|", key=line.count)
    return delimiter, *next(csv.reader([line], delimiter=delimiter), [])


def _refuse_other_encodings(relation: str, engine: Engine) -> None:
    wrong = engine.rows(
        f'SELECT s.file_path, MIN(r.line) FROM "{relation}_rejects" AS r '
        f'JOIN "{relation}_scans" AS s USING (scan_id, file_id) '
        "WHERE r.error_type = 'INVALID ENCODING' GROUP BY 1 ORDER BY 1"
    )
    if wrong:
        raise _other_encoding(Path(str(wrong[0][0])), int(str(wrong[0][1])))


def _other_encoding(file: Path, line: int) -> SourceError:
    return SourceError(
        f"{file}, line {line}, is not UTF-8; re-encode it first: "
        f"iconv -f LATIN1 -t UTF-8 {file.name} > utf8-{file.name}"
    )


def _from_query(query: str, relation: str, name: str, folder: Path, engine: Engine) -> Raw:
    place = f"[sources.{name}] query"
    engine.run(f"SET file_search_path = '{quoted(str(folder))}'")
    try:
        statement = query.strip().rstrip(";")
        _attempt(engine, f'CREATE OR REPLACE TABLE "{relation}" AS {statement}', place)
    finally:
        engine.run("RESET file_search_path")
    return _described(Raw(relation=relation, place=place, columns={}), engine)


def _attempt(engine: Engine, sql: str, place: str) -> None:
    try:
        engine.db.execute(sql)
    except duckdb.Error as error:
        raise SourceError(f"{place} cannot be read: {error}") from error
