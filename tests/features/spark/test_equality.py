"""Spark and DuckDB give the same names, types and values: of staged rows, of what was left out, of every feature."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.synthetic import simulate, write

CHURNSIM = Path(__file__).parents[4] / "shared" / "data" / "churnsim_socialnet7"
MONTHS = [datetime(2025, month, 1) for month in range(4, 11)]


@pytest.mark.slow
def test_the_whole_catalogue_of_a_simulated_company(tmp_path, same):
    found = same(write(simulate(accounts=70, months=12, seed=3), tmp_path / "raw"))
    assert found.num_rows > 400
    assert found.num_columns > 150


def test_ties_late_rows_versions_and_nulls_in_all_nine_sources(tmp_path, same, random_rows, company):
    """Every feature but of an event or attribute by another name; whole companies are compared in `make slow`."""
    rows = random_rows(random.Random(7), [f"a{i}" for i in range(12)], MONTHS, each=200)
    company.stage('[population]\nmin_events = 2\n[company]\ntimezone = "Europe/Berlin"\n[churn]\nkind = "told"', **rows)
    assert same(tmp_path / "keepwell.toml", MONTHS).num_columns > 140


@pytest.mark.slow
def test_snapshots_before_each_renewal_with_accounts_that_tell_no_start(tmp_path, same, random_rows, company):
    rows = random_rows(random.Random(8), [f"a{i}" for i in range(40)], MONTHS, each=120)
    bare = [{"account_id": row["account_id"], "segment": row["segment"]} for row in rows["accounts"]]
    terms = [row | {"renews_at": row["started_at"] + timedelta(days=90)} for row in rows["subscriptions"]]
    toml = "[snapshots]\nbefore_renewal_days = 7\n[churn]\n"
    company.stage(toml, **rows | {"accounts": bare, "subscriptions": terms})
    assert same(tmp_path / "keepwell.toml").num_rows > 20


TEXTS = {
    "at": [
        *(
            "2025-03-30 01:59",
            "2025-03-30 02:30:00",
            "2025-03-30T03:00:00.5",
            "2025-10-26 01:59:59",
            "2025-10-26 02:30",
        ),
        *(
            "2025-10-26 03:00:00",
            "2025/07/01",
            "2025/07/01 9:05",
            "2025-07-01",
            "2025-7-1 1:2:3.1234567",
            "2025-07-01T10",
        ),
        *(
            "2025-07-01 10:00:00Z",
            "2025-07-01 10:00 UTC",
            "2025-07-01T10:00+0530",
            "2025-07-01 10:00:00.25-03",
            "10:00",
        ),
        *(
            "2025-07-01 10:00:00 PM",
            "2025-07-01 10:00 Europe/Berlin",
            "2025-02-30",
            "2025",
            "",
            " \u00a02025-06-01 ",
            None,
        ),
    ],
    "quantity": [
        *(
            "1",
            "1_000",
            "1e3",
            ".5",
            "5.",
            "+7",
            "-1.2345",
            "1.2345",
            "0.0005",
            "1,5",
            "nan",
            "1e-3",
            "1d",
            "٣",
            "1e99",
        ),
        *(" 12 ", "\t12", "", None, "1.5_5", "--1", "9e14", "1.00050000000001"),
    ],
    "value": [*("19.99", "0.005", "1e12", "999999999999.995", "12.34505", "-3", "x", "0x10", "1 000"), *["1"] * 14],
    "event": [*("a", " a", "a ", "A\u3000", "it's", "ba\\ck", 'say "x"', "käse", "", None), *["b"] * 13],
}
FLOATS = [
    *(0.31475, -0.31475, 2899.99945, 1.005, 2.675, 0.1 + 0.2, 1e-7, 3.0000001, 12.0, 2.5, 1e15, -0.0, 1e22),
    *(float("nan"), float("inf"), None, 123456.5, 0.00015, 48.81775, 632216.45535, 7.0, 1e300, 9e15),
]
ACCOUNTS = [
    "account_id,started_at,segment,score",
    '0,2025-01-01,"two\nlines",1.0',
    '1,2025-01-05 10:00,"say ""x""",00123',
    "2,,,",
    "3",
    "3,2025-01-07,a,5,too many",
    "3,2025-01-08T00:00:00Z,  b  ,7",
    "",
    "4,2025-01-09,c,nan",
]


def test_odd_texts_floats_lines_and_local_hours_are_read_and_left_out_alike(tmp_path, on_both):
    n = len(FLOATS)
    assert all(len(values) == n for values in TEXTS.values())
    ids = pa.array([f"e{i}" for i in range(n)])
    usage = {"account_id": pa.array([float(i % 5) for i in range(n)]), "row_id": ids, **TEXTS}
    terms = {
        "account_id": pa.array([str(i % 5) for i in range(n)]),
        "started_at": pa.array(
            [datetime(2025, 1, 1) + timedelta(days=i) for i in range(n)], pa.timestamp("us", tz="UTC")
        ),
        "seats": pa.array(FLOATS),
        "mrr": pa.array(FLOATS),
        "discount": pa.array(FLOATS),
        "auto_renew": pa.array(["yes", "no", "T", "0", "2", "on", "1.0", None, ""] * 2 + ["true"] * (n - 18)),
        "plan": pa.array([x if x is None or x == x else None for x in FLOATS]),
    }
    pq.write_table(pa.table(usage), tmp_path / "usage.parquet")
    pq.write_table(pa.table(terms), tmp_path / "terms.parquet")
    (tmp_path / "accounts.csv").write_text("\n".join(ACCOUNTS), encoding="utf-8")
    toml = tmp_path / "keepwell.toml"
    toml.write_text(
        '[company]\ntimezone = "Europe/Berlin"\n[sources]\nusage = { path = "usage.parquet" }\n'
        'subscriptions = { path = "terms.parquet" }\naccounts = { path = "accounts.csv", attributes = ["score"] }\n',
        encoding="utf-8",
    )
    both = on_both(toml)
    duckdb, spark = both.told()
    assert duckdb == spark
    for name in ("usage", "subscriptions", "accounts"):
        one, other = both.rows(f'SELECT * FROM "{name}"')
        assert one == other
    assert [row[0] for row in one] == ["0", "1", "3", "4"]


@pytest.mark.slow
@pytest.mark.skipif(not CHURNSIM.is_dir(), reason="churnsim_socialnet7 is not there")
def test_the_whole_catalogue_of_the_simulated_social_network(tmp_path, same):
    config = (Path(__file__).parents[3] / "examples" / "churnsim" / "keepwell.toml").read_text(encoding="utf-8")
    (tmp_path / "keepwell.toml").write_text(config.replace("../../../shared/data/churnsim_socialnet7", str(CHURNSIM)))
    assert same(tmp_path / "keepwell.toml").num_rows > 5000
