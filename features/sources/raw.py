"""Raw rows as the company keeps them: files in place, SQL over files, or a database read through Arrow."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import duckdb

from features.config import Mapping, Settings
from features.dialect import quoted
from features.engine import Engine
from features.errors import SourceError
from features.sources.files import are_parquet, find, header, other_encoding
from features.sources.memory import parquet, remember
from features.sources.remote import read_database, read_store, without_secret


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A relation of the engine that holds one source's raw rows, and where they came from in words.

    `columns` are their SQL types. Rows that are `in_place` stay in their Parquet files and are scanned
    there. `rejected` names the relation (reason, row) of CSV lines that do not have the columns of their header.
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
        return described(Raw(relation=relation, place=place, columns={}), engine)
    if mapping.query:
        return _from_query(mapping.query, relation, name, settings.data_dir, engine)
    assert mapping.path is not None
    if "://" in mapping.path:
        read_store(mapping.path, relation, engine)
        return described(Raw(relation=relation, place=mapping.path, columns={}), engine)
    files = find(mapping.path, settings.data_dir, name)
    place = mapping.path
    if are_parquet(files):
        _attempt(engine, f'CREATE OR REPLACE VIEW "{relation}" AS {parquet(files)}', place)
        remember(engine, name, relation, files, settings.home_dir / "known" / name / _digest(mapping, settings))
        return described(Raw(relation=relation, place=place, columns={}, in_place=True), engine)
    rejected = _from_csv(files, relation, place, text, engine)
    return described(Raw(relation=relation, place=place, columns={}, rejected=rejected), engine)


def described(raw: Raw, engine: Engine) -> Raw:
    """The relation with its columns.

    Raises:
        SourceError: it has no rows.
    """
    columns = engine.types(f'SELECT * FROM "{raw.relation}"')
    if not engine.rows(f'SELECT 1 FROM "{raw.relation}" LIMIT 1') and not _has_rejected(raw, engine):
        raise SourceError(f"{raw.place} is empty: it has no rows; check the export, or leave the source out")
    return replace(raw, columns=columns)


def _has_rejected(raw: Raw, engine: Engine) -> bool:
    return raw.rejected is not None and bool(engine.rows(f'SELECT 1 FROM "{raw.rejected}" LIMIT 1'))


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{quoted(str(f))}'" for f in files) + "]"


def _digest(mapping: Mapping, settings: Settings) -> str:
    """Names all that the meaning of a source's files depends on, beside the files."""
    told = (mapping.model_dump_json(), settings.company.timezone, version("keepwell"), duckdb.__version__)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _from_csv(files: list[Path], relation: str, place: str, text: Sequence[str], engine: Engine) -> str:
    """Read CSV files once. Types are told from every row, so a late odd value makes a column text.

    Returns the name of the table that holds the lines it could not take apart.
    """
    for table in ("rejects", "scans"):
        engine.run(f'DROP TABLE IF EXISTS "{relation}_{table}"')
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        alike.setdefault(header(file), []).append(file)
    parts = []
    for number, (columns, group) in enumerate(alike.items()):
        part = relation if len(alike) == 1 else f"{relation}_{number}"
        _attempt(engine, f'CREATE OR REPLACE TABLE "{part}" AS {_csv(columns, group, relation, text)}', place)
        parts.append(part)
    _refuse_other_encodings(relation, engine)
    if len(parts) > 1:
        engine.create(relation, " UNION ALL BY NAME ".join(f'SELECT * FROM "{part}"' for part in parts))
        for part in parts:
            engine.run(f'DROP TABLE "{part}"')
    reason = "'unreadable line: ' || line || ', ' || error_message"
    row = "CAST(TO_JSON({'line': line, 'text': csv_line}) AS STRING)"
    rejects = f'SELECT DISTINCT ON (scan_id, file_id, line) line, csv_line, error_message FROM "{relation}_rejects"'
    engine.create(f"{relation}_unreadable", f"SELECT {reason} AS reason, {row} AS row FROM ({rejects})")
    return f"{relation}_unreadable"


def _csv(first_line: tuple[str, ...], files: list[Path], relation: str, text: Sequence[str]) -> str:
    """SQL that reads CSV files of one header; plain columns mapped to text are not taken for numbers."""
    delimiter, *columns = first_line
    kept = ", ".join(f"'{quoted(c)}': 'VARCHAR'" for c in dict.fromkeys(text) if c in columns)
    return (
        f"SELECT * FROM read_csv({_list(files)}, header = true, delim = '{delimiter}', quote = '\"', "
        f"escape = '\"', sample_size = -1, files_to_sniff = -1, types = {{{kept}}}, store_rejects = true, "
        f"rejects_table = '{relation}_rejects', rejects_scan = '{relation}_scans')"
    ).replace("types = {}, ", "")


def _refuse_other_encodings(relation: str, engine: Engine) -> None:
    wrong = engine.rows(
        f'SELECT s.file_path, MIN(r.line) FROM "{relation}_rejects" AS r '
        f'JOIN "{relation}_scans" AS s USING (scan_id, file_id) '
        "WHERE r.error_type = 'INVALID ENCODING' GROUP BY 1 ORDER BY 1"
    )
    if wrong:
        raise other_encoding(Path(str(wrong[0][0])), int(str(wrong[0][1])))


def _from_query(query: str, relation: str, name: str, folder: Path, engine: Engine) -> Raw:
    place = f"[sources.{name}] query"
    engine.run(f"SET file_search_path = '{quoted(str(folder))}'")
    try:
        statement = query.strip().rstrip(";")
        _attempt(engine, f'CREATE OR REPLACE TABLE "{relation}" AS {statement}', place)
    finally:
        engine.run("RESET file_search_path")
    return described(Raw(relation=relation, place=place, columns={}), engine)


def _attempt(engine: Engine, sql: str, place: str) -> None:
    try:
        engine.db.execute(sql)
    except duckdb.Error as error:
        raise SourceError(f"{place} cannot be read: {error}") from error
