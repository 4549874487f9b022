"""Raw rows where the company's Spark reads them: files and folders by path or URL, tables of a catalogue, a query."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from features.config import Mapping, Settings
from features.engine import Engine
from features.errors import SourceError
from features.sources.files import are_parquet, find, first_wrong_line, header, other_encoding
from features.sources.raw import Raw, described
from features.spark.engine import SparkEngine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CORRUPT = "_unreadable_line"


def open_raw(name: str, mapping: Mapping, settings: Settings, engine: Engine) -> Raw:
    """Make one source's raw rows a view of the engine; CSV files are read once, every column as text.

    Args:
        name: the canonical source.
        mapping: where its rows are.
        settings: the configuration, for the folder that relative paths start from.
        engine: where the relation is made.

    Raises:
        SourceError: nothing is there, it is empty, or it cannot be read.
    """
    assert isinstance(engine, SparkEngine)
    relation = f"_raw_{name}"
    if mapping.table or mapping.query:
        statement = f"SELECT * FROM {mapping.table}" if mapping.table else str(mapping.query).strip().rstrip(";")
        place = mapping.table or f"[sources.{name}] query"
        with _told(place):
            engine.view(relation, statement)
        return described(Raw(relation=relation, place=place, columns={}, in_place=True), engine)
    assert mapping.path is not None
    place = mapping.path
    files = [] if "://" in place else find(place, settings.data_dir, name)
    with _told(place):
        if files and not are_parquet(files):
            rejected = _from_csv(files, relation, engine)
            return described(Raw(relation=relation, place=place, columns={}, rejected=rejected), engine)
        _from_parquet([_url(file) for file in files] or [place], relation, engine)
    return described(Raw(relation=relation, place=place, columns={}, in_place=True), engine)


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{place} cannot be read: {error}") from error


def _url(file: Path) -> str:
    """A file of this machine, which every executor must see at the same place; not one of the cluster's own store."""
    return f"file://{file}"


def _from_parquet(places: list[str], relation: str, engine: SparkEngine) -> None:
    def read(session: "SparkSession") -> "DataFrame":
        return session.read.option("mergeSchema", len(places) > 1).parquet(*places)

    engine.frame(relation, read)


def _from_csv(files: list[Path], relation: str, engine: SparkEngine) -> str:
    """Read CSV files once. Returns the relation of the lines it could not take apart."""
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        alike.setdefault(header(file), []).append(file)
    columns = list(dict.fromkeys(column for _, *names in alike for column in names))
    parts = []
    for number, ((delimiter, *names), group) in enumerate(alike.items()):
        engine.frame(f"{relation}_{number}", _csv(delimiter, names, group))
        own = ", ".join(f'"{c}"' if c in names else f'CAST(NULL AS STRING) AS "{c}"' for c in columns)
        parts.append(f'SELECT {own}, {CORRUPT} FROM "{relation}_{number}"')
    engine.create(f"{relation}_lines", " UNION ALL ".join(parts))
    _refuse_other_encodings(files, columns, f"{relation}_lines", engine)
    read = ", ".join(f'"{column}"' for column in columns)
    engine.create(relation, f'SELECT {read} FROM "{relation}_lines" WHERE {CORRUPT} IS NULL')
    reason = "'unreadable line: it does not have the columns of its header' AS reason"
    text = engine.json(f"NAMED_STRUCT('text', {CORRUPT})") + " AS row"
    broken = f'FROM "{relation}_lines" WHERE {CORRUPT} IS NOT NULL'
    engine.create(f"{relation}_unreadable", f"SELECT {reason}, {text} {broken}")
    engine.drop(f"{relation}_lines")
    return f"{relation}_unreadable"


def _csv(delimiter: str, names: list[str], files: list[Path]) -> "Callable[[SparkSession], DataFrame]":
    def read(session: "SparkSession") -> "DataFrame":
        from pyspark.sql.types import StringType, StructField, StructType

        schema = StructType([StructField(name, StringType()) for name in (*names, CORRUPT)])
        options = {"sep": delimiter, "quote": '"', "escape": '"', "header": True, "multiLine": True}
        reader = session.read.schema(schema).options(columnNameOfCorruptRecord=CORRUPT, **options)
        return reader.csv([_url(file) for file in files])

    return read


def _refuse_other_encodings(files: list[Path], columns: list[str], relation: str, engine: SparkEngine) -> None:
    """Spark puts U+FFFD where bytes are not UTF-8; only then are the files looked through for where."""
    odd = " OR ".join(f"CONTAINS(\"{column}\", '\ufffd')" for column in (*columns, CORRUPT))
    if not engine.rows(f'SELECT 1 FROM "{relation}" WHERE {odd} LIMIT 1'):
        return
    for file in files:
        line = first_wrong_line(file)
        if line:
            raise other_encoding(file, line)
