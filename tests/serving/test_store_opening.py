"""Opening a store, what survives a kill, and what is said when the database is locked, full, wrong or away."""

import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, inspect, text

from serving.errors import ServingError
from serving.store import migrate, open_store, tables
from serving.store.address import parse
from serving.store.failures import StoreUnavailable
from serving.store.opening import POOL

WRITER = """
import sys
from datetime import datetime
from serving.store import audit, open_store
store = open_store(sys.argv[1])
for number in range(1_000_000):
    with store.write() as db:
        audit.record(db, [audit.Entry(at=datetime(2026, 1, 1), action=sys.argv[2], detail={"n": number})])
    print(number, flush=True)
"""
NEWEST = max(path.name[1:5] for path in migrate.FOLDER.glob("m*.py"))
OPENER = "import sys; from serving.store import open_store; open_store(sys.argv[1]).close()"


def python(code, *words):
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rows(store, query):
    with store.read() as db:
        return [tuple(row) for row in db.execute(text(query))]


def test_migrations_make_the_tables_that_the_code_knows(store):
    with store.read() as db:
        context = MigrationContext.configure(db, opts={"version_table": migrate.VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        made = {name: _checks(inspect(db).get_check_constraints(name)) for name in tables.metadata.tables}
    known = {
        name: {check.name for check in table.constraints if isinstance(check, CheckConstraint)}
        for name, table in tables.metadata.tables.items()
    }
    assert made == known


def _checks(found):
    return {check["name"] for check in found}


def test_processes_that_open_a_new_store_at_once_all_succeed(store_url):
    opening = [python(OPENER, store_url) for _ in range(4)]
    assert [(one.communicate()[1].decode(), one.returncode) for one in opening] == [("", 0)] * 4
    store = open_store(store_url)
    assert rows(store, f"SELECT version_num FROM {migrate.VERSION_TABLE}") == [(NEWEST,)]
    store.close()


def test_a_store_of_a_newer_version_is_refused(store, store_url):
    with store.write() as db:
        db.execute(text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ServingError, match=r"another version.*9999.*upgrade keepwell"):
        open_store(store_url)


def test_an_acknowledged_write_survives_kill_9(store, store_url):
    for number in range(3):
        name = f"writer{number}"
        writer = python(WRITER, store_url, name)
        told = [writer.stdout.readline()]
        time.sleep(0.05 + 0.1 * number)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
        acknowledged = [int(line) for line in told if line.endswith(b"\n")]
        writer.stderr.close()
        writer.wait()
        with store.read() as db:
            query = tables.audit.select().where(tables.audit.c.action == name).order_by(tables.audit.c.id)
            kept = [row.detail["n"] for row in db.execute(query)]
        assert acknowledged
        assert kept[: len(acknowledged)] == acknowledged
        assert kept == list(range(len(kept)))
        assert len(kept) - len(acknowledged) <= 1


def test_sqlite_syncs_every_commit_and_checks_references(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    with store.read() as db:
        told = [
            db.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert told == ["wal", 2, 1]
    start = {"status": "pending", "attempts": 0, "next_attempt_at": datetime(2026, 1, 1)}
    with pytest.raises(ServingError, match="FOREIGN KEY"), store.write() as db:
        db.execute(tables.deliveries.insert().values(event_id="none", target="t", **start))
    store.close()


def test_a_locked_database_is_told_and_nothing_is_kept(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    holder, waiter = open_store(url), open_store(url, wait=0.05)
    with holder.write():
        with (
            pytest.raises(StoreUnavailable, match=r"store\.db: another process holds its lock; try again"),
            waiter.write(),
        ):
            raise AssertionError("the lock was not waited for")
        with waiter.read() as db:
            assert db.execute(text("SELECT 1")).scalar() == 1
    with waiter.write():
        pass


def test_a_full_disk_is_told_and_nothing_is_kept(tmp_path):
    """A limit on the pages of the file stands for the end of the disk."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    with pytest.raises(StoreUnavailable, match="its disk is full; free space, nothing of this write was kept"):
        _fill(store)
    assert rows(store, "SELECT COUNT(*) FROM audit") == [(0,)]


def _fill(store):
    with store.write() as db:
        db.exec_driver_sql("PRAGMA max_page_count=100")
        entry = {"at": datetime(2026, 1, 1), "action": "a" * 1000, "detail": {}}
        db.execute(tables.audit.insert(), [entry] * 5000)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param(
            "sqlite:////no/such/folder/store.db", "file cannot be opened; check that the folder", id="no folder"
        ),
        pytest.param("postgresql://u:open-sesame@127.0.0.1:1/x", "server cannot be reached; check", id="no server"),
        pytest.param("mysql://localhost/x", "address must be sqlite:///… or postgresql://", id="another database"),
        pytest.param("sqlite://", "names no file", id="memory"),
        pytest.param("store.db", "address must be sqlite:///… or postgresql://", id="no address"),
        pytest.param("postgresql://h/x?application_name=y", "asks for application_name=y", id="an unknown wish"),
        pytest.param("postgresql://h/x?sslmode=sometimes", "asks for sslmode=sometimes", id="an unknown sslmode"),
    ],
)
def test_a_wrong_address_is_told(url, told):
    with pytest.raises(ServingError, match=re.escape(told)) as refused:
        open_store(url, wait=0.5)
    assert "sesame" not in str(refused.value)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "store.db").write_bytes(b"a letter to my mother, and long enough for a header" * 100)
    with pytest.raises(StoreUnavailable, match="not an SQLite database; check the address"):
        open_store(f"sqlite:///{tmp_path}/store.db")


def test_an_encrypted_connection_checks_the_certificate():
    assert parse("postgresql://h/x?sslmode=require", wait=1)[1]["ssl_context"] is True


def test_a_server_that_drops_us_is_told_and_reached_again(postgres):
    store = open_store(postgres())
    with pytest.raises(StoreUnavailable, match="check that it runs"):
        _write_and_be_dropped(store)
    assert rows(store, "SELECT COUNT(*) FROM audit") == [(0,)]
    store.close()


def _write_and_be_dropped(store):
    with store.write() as db:
        db.execute(tables.audit.insert().values(at=datetime(2026, 1, 1), action="a", detail={}))
        db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_lock_on_a_row_is_told(postgres):
    url = postgres()
    first, second = open_store(url), open_store(url, wait=0.05)
    with first.write() as db:
        db.execute(tables.api_keys.insert().values(_key("a")))
    with pytest.raises(StoreUnavailable, match="another transaction is in the way; try again"):
        _wait_on(first, second)
    first.close()
    second.close()


def _wait_on(first, second):
    change = tables.api_keys.update().values(name="b")
    with first.write() as db, second.write() as other:
        db.execute(change)
        other.execute(change)


def _key(name):
    return {"id": name, "name": name, "role": "read", "hash": "h", "created_at": datetime(2026, 1, 1)}


def test_more_callers_than_connections_wait_and_are_then_told(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/store.db", wait=0.05)
    with ExitStack() as held:
        for _ in range(POOL + 10):
            held.enter_context(store.read()).execute(text("SELECT 1"))
        with pytest.raises(StoreUnavailable, match="all connections are in use"), store.read():
            raise AssertionError("there was one more")
