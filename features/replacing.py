"""Files appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when all went well and is gone when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")  # several may write the same file at once
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def drop_others(file: Path) -> None:
    """Remove the Parquet files beside this one, which has taken their place."""
    for other in file.parent.glob("*.parquet"):
        if other != file:
            other.unlink(missing_ok=True)
