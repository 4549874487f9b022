import gzip
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from features.config import load
from features.engine import Engine, open_engine
from features.sources import Staged, stage

NOW = datetime(2026, 1, 1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Write files into the company's folder: text, bytes, or gzip where the name says so."""

    def write(**contents: str | bytes) -> Path:
        for name, content in contents.items():
            path = tmp_path / name.replace("__", "/").replace("_gz", ".gz")
            path = path if "." in path.name else path.with_suffix(".csv")
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return tmp_path

    return write


@pytest.fixture
def staged(tmp_path: Path, engine: Engine) -> Callable[..., Staged]:
    """Stage a configuration given as TOML text."""

    def run(toml: str, now: datetime = NOW) -> Staged:
        (tmp_path / "keepwell.toml").write_text(toml, encoding="utf-8")
        return stage(load(tmp_path / "keepwell.toml"), engine, now=now)

    return run
