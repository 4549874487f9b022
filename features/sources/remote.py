"""Rows that are not files here: an object store through pyarrow, a database through ADBC, streamed once."""

import os
import re
from fnmatch import fnmatch
from urllib.parse import quote, unquote

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as postgresql
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs

from features.engine import Engine
from features.errors import SourceError

_PASSWORD = re.compile(r"//[^/@:]*:([^@]*)@|password=([^&]*)")


def read_store(path: str, relation: str, engine: Engine) -> None:
    """Read one object, a folder (ends in `/`) or a glob of Parquet or CSV objects, as s3:// or gs://.

    Raises:
        SourceError: nothing is there, or it cannot be read.
    """
    form = "csv" if path.lower().endswith((".csv", ".csv.gz")) else "parquet"
    folder, _, name = path.rpartition("/")
    if "*" in folder:
        folder, name = folder.partition("*")[0].rpartition("/")[0], ""
    try:
        store, root = fs.FileSystem.from_uri(folder)
        pattern = root + path.removeprefix(folder) + ("*" if path.endswith("/") else "")
        listed = store.get_file_info(fs.FileSelector(root, recursive=True)) if "*" in pattern else []
        found = [f.path for f in listed if f.is_file and fnmatch(f.path, pattern)] or [f"{root}/{name}"]
        engine.stream(relation, ds.dataset(found, filesystem=store, format=form).scanner().to_reader())
    except (OSError, pa.ArrowException, SourceError) as error:
        raise SourceError(f"{path} cannot be read: {error}; check the address and the credentials") from error


def read_database(url: str, query: str, relation: str, place: str, engine: Engine) -> None:
    """Read a PostgreSQL query; variables like ${PGPASSWORD} in the URL come from the environment.

    Raises:
        SourceError: a variable is not set, the server is not there or goes away, or it refuses the query.
    """
    address = _filled(url, place)
    try:
        with postgresql.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            engine.stream(relation, cursor.fetch_record_batch())
    except (adbc_driver_manager.Error, pa.ArrowException, OSError, SourceError) as error:
        detail = _hidden(str(error), address)
        raise SourceError(
            f"{place} did not deliver its rows: {detail}; nothing of it was kept. "
            "Check that the server runs and that the query is right, then try again"
        ) from error


def _filled(url: str, place: str) -> str:
    """The URL with its variables' values, encoded where they are a part of it: passwords may hold any sign."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in os.environ:
            raise SourceError(f"{place}: the environment variable {name} is not set; export it first")
        return os.environ[name] if found[0] == url else quote(os.environ[name], safe="")

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, url)


def _hidden(text: str, address: str) -> str:
    """An error's words without the address's password, as it is written there or decoded."""
    written = _PASSWORD.search(address)
    secret = next((part for part in written.groups() if part), "") if written else ""
    for word in {secret, unquote(secret)} - {""}:
        text = text.replace(word, "***")
    return text


def without_secret(url: str) -> str:
    """The URL with its password hidden."""
    return _PASSWORD.sub(lambda m: m[0].replace(m[1] or m[2], "***") if m[1] or m[2] else m[0], url)
