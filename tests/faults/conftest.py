"""A company that is served by a real process which tests may kill, and the small book of tests/serving in this one."""

import os
import re
import socket
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from unittest import mock

import psutil
import pytest

from features.config import load
from features.engine import open_engine
from features.sources import stage
from serving import posted
from serving.bundle import save
from serving.starting import serve
from serving.store import keys, open_store

CONFIG = """
[churn]
kind = "inactivity"
[sources.usage]
path = "usage.parquet"
"""
SECRET = "a secret of 32 bytes and some more"
SERVES = "_bentoml_impl.worker.service"


def _neighbour(name, path):
    """The fixtures of another folder of tests."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / path / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_serving, _api = _neighbour("faults_serving", "serving"), _neighbour("faults_api", "serving/api")
rows, bundle, postgres = _serving.rows, _serving.bundle, _serving.postgres
policy, day, store, holder = _api.policy, _api.day, _api.store, _api.holder
serving, keep, served = _api.serving, _api.keep, _api.served


class Live:
    """The service as `keepwell serve` starts it: a supervisor, and two processes that serve."""

    secret = SECRET.encode()

    def __init__(self, folder, tokens, environ):
        self.folder, self.tokens, self.url = folder, tokens, environ["KEEPWELL_STORE_URL"]
        self._environ = {name: value for name, value in {**os.environ, **environ}.items() if value is not None}
        self._process = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def launch(self):
        """Start its processes."""
        with mock.patch.dict(os.environ, self._environ, clear=True):
            self._process = serve(self.folder / "keepwell.toml", port=self.port, log=self.folder / "log")

    def launch_command(self):
        """Start `keepwell serve`."""
        words = [sys.executable, "-m", "keepwell", "serve", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._process = Popen(words, cwd=self.folder, env=self._environ, stdout=log, stderr=log)

    def start(self, seconds=120):
        """Start and wait until it is ready."""
        self.launch()
        until = monotonic() + seconds
        while monotonic() < until and self._process.poll() is None:
            with suppress(OSError, HTTPException):
                if self.ask("GET", "/readyz", key=None)[0] == 200:
                    return
            sleep(0.05)
        self.kill()
        raise AssertionError(f"the service did not get ready: {(self.folder / 'log').read_text()[-3000:]}")

    def family(self):
        """The supervisor and all that it started; workers are in sessions of their own, in no group of ours."""
        held = psutil.Process(self._process.pid)
        return [held, *held.children(recursive=True)]

    def workers(self):
        """Those of them that serve, or are about to."""
        return [one for one in self.family()[1:] if SERVES in _words(one)]

    @contextmanager
    def memory_below(self, growth):
        """What is done inside makes no process that serves hold more than so many times its resident memory, ever."""
        before = {one.pid: one.memory_info().rss for one in self.workers()}
        for pid in before:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # its peak starts anew
        yield
        for pid, held in before.items():
            status = Path(f"/proc/{pid}/status").read_text()
            found = (re.search(rf"{name}:\s+(\d+) kB", status)[1] for name in ("VmHWM", "VmRSS"))
            peak, after = (int(kilobytes) * 1024 / held for kilobytes in found)
            print(f"\nmemory {held / 2**20:.0f} MB, at most x{peak:.3f}, at the end x{after:.3f}")  # noqa: T201
            assert peak <= growth

    def kill(self):
        """SIGKILL, all at once."""
        with suppress(psutil.NoSuchProcess):
            held = self.family()
            for one in held:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(held, timeout=10)
        self._process.wait(timeout=10)

    def kill_supervisor(self):
        """SIGKILL for it alone; those that serve end by themselves and free the port, within a minute."""
        parent, *others = self.family()
        parent.kill()
        self._process.wait(timeout=10)
        _, left = psutil.wait_procs(others, timeout=60)
        for one in left:
            one.kill()
        assert left == []

    def ask(self, method, path, body=None, key="decide", headers=None, timeout=30):
        """Status, headers and body of an answer; raises OSError or HTTPException when there is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        own = {} if key is None else {"X-API-Key": self.tokens[key]}
        own |= {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def say(self, words, timeout=30):
        """Send bytes as they are; all that is answered until the connection is closed or nothing comes for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as wire:
            wire.settimeout(timeout)
            told = b""
            with suppress(OSError):
                wire.sendall(words)
            with suppress(OSError):
                while part := wire.recv(65536):
                    told += part
            return told


def _words(process):
    """Its command, empty when it is gone."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def keep_rows(folder, store):
    """Keep the accounts' own rows, as a run does, so that events can be posted."""
    folder.mkdir()
    accounts = [f"acme-{number:02}" for number in range(_api.ACCOUNTS)]
    rows = [f"{account},r-{account},{_api.AS_OF - timedelta(days=3)}" for account in accounts]
    (folder / "usage.csv").write_text("\n".join(["account_id,row_id,at", *rows]))
    (folder / "keepwell.toml").write_text('[sources]\nusage = { path = "usage.csv" }\n[churn]\nkind = "inactivity"\n')
    with open_engine(folder / "home") as engine:
        staged = stage(load(folder / "keepwell.toml"), engine)
        posted.keep_rows(store, engine, staged, _api.AS_OF, None)


@pytest.fixture(scope="session")
def company(tmp_path_factory, bundle, policy, day):
    """Makes a folder with a configuration, a bundle, a store with two runs and a key of each role, and its service.

    What is given becomes its environment; None takes a variable away.
    """
    made = []

    def make(**environ):
        folder = tmp_path_factory.mktemp("company")
        (folder / "keepwell.toml").write_text(CONFIG)
        save(bundle, folder / "bundle")
        url = environ.get("KEEPWELL_STORE_URL") or f"sqlite:///{folder / 'store.db'}"
        held = open_store(url)
        for as_of, first in ((_api.AS_OF - timedelta(days=7), 200), (_api.AS_OF, 0)):
            _api._keep(held, bundle, policy, day, as_of, first)
        keep_rows(folder / "tables", held)
        with held.write() as db:
            tokens = {role: keys.create(db, name=role, role=role, at=_api.NOW)[1] for role in _api.ROLES}
        held.close()
        own = {
            "KEEPWELL_CONFIG": str(folder / "keepwell.toml"),
            "KEEPWELL_BUNDLE": str(folder / "bundle"),
            "KEEPWELL_STORE_URL": url,
            "KEEPWELL_SECRET": SECRET,
            "KEEPWELL_REQUESTS_PER_SECOND": "100000",
        }
        made.append(Live(folder, tokens, own | environ))
        return made[-1]

    yield make
    for one in made:
        if one._process is not None:
            one.kill()


@pytest.fixture(scope="session")
def live(company):
    """A service that runs, for tests that leave it as it was."""
    made = company()
    made.start()
    return made
