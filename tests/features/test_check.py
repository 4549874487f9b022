"""The contract report and the quarantine."""

import json

import pyarrow.parquet as pq
import pytest

from features.check import report, write_quarantine
from features.config import load

TOML = """
[sources.accounts]
path = "accounts.csv"
[sources.usage]
path = "usage.csv"
"""
SUBS = '[sources.subscriptions]\npath = "subs.csv"\n'
INACTIVITY = '[churn]\nkind = "inactivity"\n'


@pytest.fixture
def checked(tmp_path, staged, engine):
    def run(toml):
        done = staged(toml)
        return report(load(tmp_path / "keepwell.toml"), engine, done)

    return run


def accounts(*names):
    return "account_id,started_at,segment\n" + "".join(f"{n},2024-01-01,{n[0]}\n" for n in names)


def usage(*rows):
    return "account_id,at,event\n" + "".join(f"{account},{day},e{i}\n" for i, (account, day) in enumerate(rows))


def terms(*rows):
    return "account_id,started_at,ended_at\n" + "".join(f"{a},{begins},{ends}\n" for a, begins, ends in rows)


def test_the_report_counts_what_was_read_left_out_and_kept(files, checked):
    files(
        accounts=accounts("a1", "b1", "b2"),
        usage=usage(
            ("a1", "2025-01-01"), ("a1", "soon"), ("ghost", "2025-01-02"), ("b1", "2025-01-03"), ("b1", "2025-01-03")
        ),
    )
    found = checked(TOML + INACTIVITY)
    told = {source.name: source for source in found.sources}["usage"]
    assert (told.rows_read, told.rows_good, told.rows_quarantined) == (5, 3, 2)
    assert [(b.reason, b.count, b.example) for b in told.quarantined] == [
        ("at is not a time", 1, "at is not a time: soon"),
        ("unknown account, not in accounts", 1, "unknown account, not in accounts: ghost"),
    ]
    assert (told.first_at, told.last_at) == ("2025-01-01T00:00:00", "2025-01-03T00:00:00")
    assert told.mapping == {"account_id": "account_id", "at": "at", "event": "event"}
    assert found.ok
    assert found.accounts == 3
    assert found.segments == {"b": 2, "a": 1}
    assert found.accounts_without_usage == pytest.approx(1 / 3)


def test_the_report_is_plain_values(files, checked):
    files(accounts=accounts("a"), usage=usage(("a", "2025-01-01"), ("a", "soon")))
    found = checked(TOML + INACTIVITY)
    assert json.loads(json.dumps(found.plain()))["sources"][1]["quarantined"][0]["count"] == 1


def test_a_source_without_a_good_row_is_a_problem(files, checked):
    files(accounts=accounts("a"), usage=usage(("ghost", "2025-01-01")))
    found = checked(TOML + INACTIVITY)
    assert not found.ok
    assert found.problems == (
        "usage: 1 of 1 rows of usage.csv are quarantined, most because: "
        "unknown account, not in accounts: ghost; look at the mapping in [sources.usage] first",
    )


@pytest.mark.parametrize(("broken", "ok"), [(2, True), (3, False)])
def test_more_than_half_quarantined_is_a_problem(files, checked, broken, ok):
    rows = [("a", "2025-01-01"), ("a", "2025-01-02")] + [("ghost", "2025-01-03")] * broken
    files(accounts=accounts("a"), usage=usage(*rows))
    assert checked(TOML + INACTIVITY).ok is ok


# Across sources


def test_usage_that_agrees_with_contracts_is_not_accused(files, checked):
    files(
        accounts=accounts("a", "b"),
        usage=usage(("a", "2025-01-05"), ("b", "2025-01-31"), ("b", "2025-06-01")),
        subs=terms(("a", "2025-01-01", "2025-02-01"), ("b", "2025-01-01", "2025-02-01"), ("b", "2025-02-01", "")),
    )
    found = checked(TOML + SUBS)
    assert found.contradiction.rows_outside_terms == 0
    assert found.contradiction.terms_never_used == 0
    assert found.contradiction.used_after_end == 0
    assert not [w for w in found.warnings if "contradicts" in w]


def test_usage_that_contradicts_contracts_is_told(files, checked):
    """a goes on for months after its end, b is used only before its term, c as agreed."""
    files(
        accounts=accounts("a", "b", "c"),
        usage=usage(
            ("a", "2025-01-05"), ("a", "2025-04-05"), ("a", "2025-05-05"), ("b", "2024-12-01"), ("c", "2025-01-05")
        ),
        subs=terms(("a", "2025-01-01", "2025-02-01"), ("b", "2025-01-01", ""), ("c", "2025-01-01", "2025-02-01")),
    )
    found = checked(TOML + SUBS)
    assert found.contradiction.rows_outside_terms == pytest.approx(3 / 5)
    assert found.contradiction.terms_never_used == pytest.approx(1 / 3)
    assert found.contradiction.used_after_end == pytest.approx(1 / 2)
    told = [w for w in found.warnings if w.startswith("usage contradicts contracts: ")]
    assert [w.split(": ")[1].split(" ")[0] for w in told] == ["60%", "33%", "50%"]


@pytest.mark.parametrize(
    ("subs", "warning"),
    [
        pytest.param(
            "account_id,started_at,auto_renew\na,2025-01-01,yes\n",
            "subscriptions.auto_renew is mapped without known_at: it is not used as a feature",
            id="hindsight",
        ),
        pytest.param(
            "account_id,started_at,plan\na,2025-01-01,x\na,2025-02-01,x\n",
            "subscriptions.plan is always x and says nothing",
            id="constant column",
        ),
        pytest.param(
            "account_id,started_at,plan\na,2025-01-01,\na,2025-02-01,\n",
            "subscriptions.plan is empty and says nothing",
            id="empty column",
        ),
        pytest.param(
            "account_id,started_at,known_at\na,2025-01-01,2024-12-01\na,2025-02-01,\n",
            "subscriptions: 50% of rows were known before they began; fine if agreed ahead",
            id="known before",
        ),
        pytest.param(
            "account_id,started_at\na,2025-01-01\n",
            "subscriptions ends on 2025-01-01, 58 days before the newest source",
            id="loaded late",
        ),
    ],
)
def test_what_looks_wrong_is_told(files, checked, subs, warning):
    files(accounts=accounts("a"), usage=usage(("a", "2025-01-01"), ("a", "2025-02-28")), subs=subs)
    assert [w for w in checked(TOML + SUBS).warnings if w.startswith(warning)]


def test_accounts_that_nobody_uses_are_told(files, checked):
    files(accounts=accounts("a", "b", "c"), usage=usage(("a", "2025-01-01")))
    assert "67% of accounts have no usage at all" in checked(TOML + INACTIVITY).warnings


# The quarantine


def test_the_quarantine_holds_whole_rows_and_nothing_stale(files, staged, engine, tmp_path):
    folder = tmp_path / "home" / "quarantine"
    folder.mkdir(parents=True)
    (folder / "support.parquet").write_bytes(b"of an earlier run")
    files(accounts=accounts("a"), usage=usage(("a", "2025-01-01"), ("a", "soon")))
    staged(TOML + INACTIVITY)
    written = write_quarantine(engine, folder)
    assert written == {"usage": folder / "usage.parquet"}
    assert [path.name for path in folder.iterdir()] == ["usage.parquet"]
    [row] = pq.read_table(folder / "usage.parquet").to_pylist()
    assert (row["source"], row["reason"]) == ("usage", "at is not a time: soon")
    assert json.loads(row["row"]) == {"account_id": "a", "at": "soon", "event": "e1"}
