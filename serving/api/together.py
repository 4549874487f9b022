"""What the processes of one service share besides the store: who is ready, who asks MLflow, and how often a key asked.

It is in files of a folder under home that is theirs alone, and gone when the next service starts.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from mmap import mmap
from pathlib import Path
from shutil import rmtree
from typing import IO

from serving.api.balance import OpenConnections

SLOTS = 4096
"""Keys whose buckets are remembered at least."""
SLOT = struct.Struct("8sdd")
"""The digest of a name, what is left in its bucket, and since when."""
NOBODY = bytes(8)


class Together:
    """The processes that one supervisor, our parent, started: `size` of them.

    `folder` is theirs. Those of supervisors that are gone are removed.
    """

    def __init__(self, home: Path, size: int) -> None:
        self.folder, self.size = home / "together" / _named(os.getppid()), size
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in self.folder.parent.iterdir():
            pid = other.name.partition("-")[0]
            if pid.isdigit() and not (_is_alive(int(pid)) and _named(int(pid)) == other.name):
                rmtree(other, ignore_errors=True)
        self._lead = (self.folder / "lead").open("ab")
        self._champion = self.folder / "champion.json"

    def tell_ready(self) -> None:
        """This process has what it needs to answer."""
        (self.folder / f"ready-{os.getpid()}").touch()

    @property
    def missing(self) -> int:
        """How many processes were not ready yet; one that is started again while the others serve is none of them."""
        return max(0, self.size - len([*self.folder.glob("ready-*")]))

    def connections(self) -> OpenConnections | None:
        """How many connections each process has open; None while all places are taken, by one that is about to end."""
        for place in range(self.size):
            held = self._taken(place)
            if held:
                self._place = held  # as long as we live
                found = OpenConnections(self.folder / "connections", self.size, place, self._taken)
                found.ours = 0  # one that died left its own
                return found
        return None

    def _taken(self, place: int) -> IO[bytes] | None:
        """A place that nobody had; it is ours until this is closed. None: somebody has it."""
        held = (self.folder / f"place-{place}").open("ab")
        if _locked(held):
            return held
        held.close()
        return None

    def leads(self) -> bool:
        """Whether this process is the one that does what only one does; another follows when it ends."""
        return _locked(self._lead)

    def publish(self, champion: str) -> None:
        """Tell the others what MLflow said."""
        partial = self._champion.with_suffix(f".{os.getpid()}")
        partial.write_text(champion, encoding="utf-8")
        partial.replace(self._champion)

    def published(self) -> str | None:
        """What was told last; None before the first."""
        return self._champion.read_text(encoding="utf-8") if self._champion.exists() else None

    def close(self) -> None:
        """Lead no more."""
        self._lead.close()


class SharedBuckets:
    """What is left in each name's bucket of requests and since when, in a file that several processes change."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        self._file.truncate(SLOTS * SLOT.size)
        self._held = mmap(self._file.fileno(), SLOTS * SLOT.size)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it is open, no other process changes a bucket."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def get(self, name: str) -> tuple[float, float] | None:
        """What was put last; None for a name that is new or was forgotten."""
        digest, at = self._slot(name)
        found, left, since = SLOT.unpack_from(self._held, at)
        return (left, since) if found == digest else None

    def put(self, name: str, held: tuple[float, float]) -> None:
        """Remember; where all slots are taken, another is forgotten."""
        digest, at = self._slot(name)
        SLOT.pack_into(self._held, at, digest, *held)

    def _slot(self, name: str) -> tuple[bytes, int]:
        """Its digest, and where it is or may be put: the first slot from its own on that holds it or nothing."""
        digest = blake2b(name.encode(), digest_size=8).digest()
        own = int.from_bytes(digest, "little") % SLOTS
        for place in (*range(own, SLOTS), *range(own)):
            if self._held[place * SLOT.size : place * SLOT.size + 8] in (digest, NOBODY):
                return digest, place * SLOT.size
        return digest, own * SLOT.size


def _locked(file: IO[bytes]) -> bool:
    """Whether a file's lock is ours now; the kernel takes it back when its holder ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _named(pid: int) -> str:
    """A process by its number and when it started: numbers are given again, in a container at each start."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:  # it is gone, or there is no /proc
        return str(pid)
    return f"{pid}-{told.rpartition(')')[2].split()[19]}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
