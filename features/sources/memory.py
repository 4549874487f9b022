"""What was once found out about Parquet files and holds as long as they do not change: each is read for it once.

Files are remembered in batches, those that were new in one run. A batch whose files are all still there, with the same
size and time of change, is not read again; files of any other batch are new.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from features.dialect import quoted
from features.engine import Engine
from features.replacing import replacing

ENOUGH_BYTES = 2**24
"""Smaller sources are quicker read again than remembered."""
MOST_BATCHES = 30
"""With more batches than this all files are read again and become one."""
FILES = "files.json"


@dataclass(frozen=True)
class Batch:
    """Files that are read together, and the folder of what was found out about them."""

    files: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class Memory:
    """The batches of one source whose raw rows are the view `relation` of an engine."""

    engine: Engine
    relation: str
    batches: tuple[Batch, ...]

    def ask(self, question: str, unless: str = "FALSE") -> str:
        """SQL of the answers to a query over views of the raw rows, one batch after the other: the caller adds them up.

        Args:
            question: SQL without an order; no row of an answer may depend on another batch's rows, or on the clock.
            unless: SQL condition; an answer with a row that satisfies it is given, and asked for again the next time.
        """
        named = hashlib.sha256(question.encode()).hexdigest()[:16] + ".parquet"
        answers, asked = [], False
        for number, batch in enumerate(self.batches):
            kept, table = batch.folder / named, f"_answer_{named[:16]}_{number}"
            if not kept.exists():
                asked = True
                self._focus(batch.files)
                self.engine.create(table, question)
                if self.engine.rows(f'SELECT 1 FROM "{table}" WHERE {unless} LIMIT 1'):
                    answers.append(f'SELECT * FROM "{table}"')
                    continue
                self.engine.save(f'SELECT * FROM "{table}"', kept)
                self.engine.drop(table)
            answers.append(f"SELECT * FROM read_parquet([{_listed([kept])}])")
        if asked:
            self._focus([file for batch in self.batches for file in batch.files])
        return " UNION ALL ".join(answers)

    def _focus(self, files: tuple[Path, ...] | list[Path]) -> None:
        self.engine.view(self.relation, parquet(files))


def remember(engine: Engine, source: str, relation: str, files: list[Path], folder: Path) -> None:
    """Let the engine remember a source's files; what is remembered lies in a folder of its own.

    What is known of files that are gone or changed is removed.
    """
    if sum(file.stat().st_size for file in files) >= ENOUGH_BYTES:
        memory = Memory(engine, relation, tuple(_batches(files, folder)))
        engine.remembered = {**engine.remembered, source: memory}


def forget(engine: Engine, source: str) -> None:
    """Ask everything of a source again in this run: some of its rows are left out now and may be good ones later."""
    engine.remembered = {name: memory for name, memory in engine.remembered.items() if name != source}


def _batches(files: list[Path], folder: Path) -> list[Batch]:
    now = {_identity(file): file for file in files}
    known: list[Batch] = []
    left = dict(now)
    for listed in sorted(folder.glob(f"*/{FILES}")):
        identities = json.loads(listed.read_text(encoding="utf-8"))
        if all(identity in left for identity in identities):
            known.append(Batch(tuple(left.pop(identity) for identity in identities), listed.parent))
        else:
            shutil.rmtree(listed.parent, ignore_errors=True)
    if len(known) > MOST_BATCHES:
        for batch in known:
            shutil.rmtree(batch.folder, ignore_errors=True)
        known, left = [], now
    if left:
        named = hashlib.sha256("\n".join(left).encode()).hexdigest()[:16]
        batch = Batch(tuple(left.values()), folder / named)
        with replacing(batch.folder / FILES) as partial:
            partial.write_text(json.dumps(list(left)), encoding="utf-8")
        known.append(batch)
    return known


def asked(engine: Engine, source: str, question: str, unless: str = "FALSE") -> str:
    """SQL of the answers to a query over a source's views: those that are remembered, else the query itself."""
    memory = engine.remembered.get(source)
    return question if memory is None else memory.ask(question, unless)


def parquet(files: tuple[Path, ...] | list[Path]) -> str:
    """SQL of the rows of Parquet files; a column that one of them lacks is null there."""
    return f"SELECT * FROM read_parquet([{_listed(files)}], union_by_name = {len(files) > 1})"


def _listed(files: tuple[Path, ...] | list[Path]) -> str:
    return ", ".join(f"'{quoted(str(file))}'" for file in files)


def _identity(file: Path) -> str:
    told = file.stat()
    return f"{file}|{told.st_size}|{told.st_mtime_ns}"
