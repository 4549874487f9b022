"""Nothing that happened or became known later is in a feature, and an old snapshot never changes."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features import table
from features.catalogue import Vocabulary

T = datetime(2024, 3, 1)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
ACCOUNTS = [*"abcdefgh"]
CLOCK = {"accounts": "started_at", "subscriptions": "started_at", "support": "opened_at"}
MUTABLE = ("resolved_at", "first_response_at", "ended_at", "cancelled_at")
MANY = settings(
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Row = dict[str, Any]
Sources = dict[str, list[Row]]


def exact(features: pa.Table) -> dict[str, bytes]:
    """Every column to the last bit; no feature may be a NaN, so that NaN can stand for unknown."""
    found = {"account_id": "|".join(features["account_id"].to_pylist()).encode()}
    for name in features.column_names[1:]:
        column = features[name].combine_chunks()
        values = column.to_numpy(zero_copy_only=False)
        assert name == "snapshot_at" or (values != values).sum() == column.null_count, name
        found[name] = values.tobytes()
    return found


def differences(before: pa.Table, after: pa.Table) -> list[str]:
    one, other = exact(before), exact(after)
    assert one.keys() == other.keys()
    return [name for name in one if one[name] != other[name]]


def later(rng: random.Random, given_rows: Sources, more: Sources) -> Sources:
    """What reaches the company after T: rows that happen later, late rows, corrections, new accounts."""
    found: Sources = {}
    for source, rows in more.items():
        clock = CLOCK.get(source, "at")
        new = [row for row in rows if row[clock] >= T or row["known_at"] > T]
        late = [row | {"known_at": T + TICK + rng.randrange(90) * DAY} for row in rows if row not in new]
        known = [row for row in given_rows[source] if rng.random() < 0.5]
        other = [row | rng.choice(rows) | _identity(row) for row in known]
        fixed = [row | {"known_at": max(T, row["known_at"]) + TICK + rng.randrange(90) * DAY} for row in other]
        ahead = [row | {"known_at": T - DAY} for row in new if source == "subscriptions" and row[clock] >= T]
        found[source] = new + [row for row in late if source != "accounts"] + fixed + [_renamed(row) for row in ahead]
    found["accounts"] = [row for row in found["accounts"] if row["account_id"] in ACCOUNTS and row["known_at"] > T]
    found["accounts"] += [
        row | {"started_at": T, "known_at": T} for row in more["accounts"] if row["account_id"] == "new"
    ]
    return found


def _identity(row: Row) -> Row:
    return {c: row[c] for c in ("account_id", "row_id", "ticket_id", "at", "opened_at", "started_at") if c in row}


def _renamed(row: Row) -> Row:
    return row | {"row_id": row["row_id"] + " ahead"}


def joined(one: Sources, other: Sources) -> Sources:
    return {source: one[source] + other[source] for source in one}


@pytest.mark.parametrize("mapped", ["accounts", "no accounts"])
@settings(MANY, max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_no_feature_sees_the_future(company: Any, random_rows: Callable[..., Sources], mapped: str, seed: int) -> None:
    rng = random.Random(seed)
    rows = random_rows(rng, ACCOUNTS, [T], each=40)
    more = later(rng, rows, random_rows(rng, [*ACCOUNTS, "new"], [T, T + 28 * DAY], each=40, name="later"))
    if mapped == "no accounts":
        rows.pop("accounts")
    spine = [(account, T) for account in [*ACCOUNTS, "new"]]
    company.stage(**rows)
    words, before = company.words(T), company.features(spine)
    company.stage(**joined(rows, more))
    assert company.words(T) == words
    assert differences(before, company.features(spine, words)) == []


@settings(MANY, max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_a_fact_that_comes_later_reads_as_not_yet(company: Any, random_rows: Callable[..., Sources], seed: int) -> None:
    rng = random.Random(seed)
    rows = _one_clock(random_rows(rng, ACCOUNTS, [T], each=60))
    spine = [(account, T) for account in ACCOUNTS]
    before = company.stage(**rows).features(spine)
    moved = {source: [_moved(rng, row) for row in given_rows] for source, given_rows in rows.items()}
    assert moved != rows
    assert differences(before, company.stage(**moved).features(spine)) == []


def _moved(rng: random.Random, row: Row) -> Row:
    """The row with every fact that lies at or after T gone or at some other such moment."""
    start = row.get("opened_at") or row.get("started_at")
    facts = [c for c in MUTABLE if c in row and (row[c] is None or row[c] >= T)]
    return row | {c: rng.choice([None, max(T, start + TICK), max(T, start) + rng.randint(1, 99) * DAY]) for c in facts}


def _one_clock(rows: Sources) -> Sources:
    found: Sources = {}
    for source, given_rows in rows.items():
        unique = {row.get("ticket_id") or row.get("row_id") or row["account_id"]: row for row in reversed(given_rows)}
        found[source] = [{c: v for c, v in row.items() if c != "known_at"} for row in unique.values()]
    return found


@settings(MANY, max_examples=2)
@given(seed=st.integers(0, 2**32))
def test_an_old_snapshot_rebuilt_later_is_what_was_built_then(
    company: Any, random_rows: Callable[..., Sources], seed: int
) -> None:
    rng = random.Random(seed)
    moments = [T, T + 28 * DAY, T + 56 * DAY]
    whole = random_rows(rng, ACCOUNTS, moments, each=40)
    then, words = [], None
    for moment in moments:
        arrived = {source: [row for row in rows if row["known_at"] <= moment] for source, rows in whole.items()}
        company.stage(**arrived, now=moment)
        words = words or company.words(moment)
        then.append(company.features(_known(arrived, moment), words))
    company.stage(**whole)
    now = company.features([row for moment in moments for row in _known(whole, moment)], words)
    assert differences(pa.concat_tables(then), now) == []


def _known(rows: Sources, moment: datetime) -> list[tuple[str, datetime]]:
    accounts = {row["account_id"] for row in rows["accounts"] if row["known_at"] <= moment}
    return [(account, moment) for account in sorted(accounts)]


@pytest.fixture
def book(company: Any, random_rows: Callable[..., Sources]) -> tuple[Sources, Vocabulary, pa.Table]:
    """Rows, their words, and the features of eight accounts at three dates."""
    rows = random_rows(random.Random(5), ACCOUNTS, [T, T + 28 * DAY], each=60)
    company.stage(**rows)
    words = company.words(T)
    return rows, words, company.features(SPINE, words)


SPINE = [(account, T + days * DAY) for days in (0, 28, 91) for account in ACCOUNTS]
Book = tuple[Sources, Vocabulary, pa.Table]


def test_the_order_of_raw_rows_changes_nothing(company: Any, book: Book) -> None:
    rows, words, before = book
    shuffled = {source: random.Random(1).sample(given_rows, len(given_rows)) for source, given_rows in rows.items()}
    assert differences(before, company.stage(**shuffled).features(SPINE, words)) == []


def test_csv_and_parquet_give_the_same_features(company: Any, book: Book) -> None:
    rows, words, before = book
    assert differences(before, company.stage(**rows, csv=True).features(SPINE, words)) == []


def test_one_snapshot_at_a_time_gives_what_all_at_once_give(
    company: Any, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, words, before = book
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 1)
    assert differences(before, company.features(SPINE, words)) == []


def test_the_number_of_threads_changes_nothing(company: Any, book: Book) -> None:
    _, words, before = book
    company.engine.run("SET threads = 1")
    assert differences(before, company.features(SPINE, words)) == []


@pytest.mark.parametrize(
    "few",
    [
        pytest.param([("c", 0), ("c", 28), ("c", 91)], id="one account"),
        pytest.param([("c", 0), ("d", 0), ("d", 28), ("c", 91)], id="two accounts"),
    ],
)
def test_few_rows_read_as_in_the_whole_book(company: Any, book: Book, few: list[tuple[str, int]]) -> None:
    """Few of many rows key the calendar by account and day, the whole book by day alone."""
    _, words, before = book
    wanted = [(account, T + days * DAY) for account, days in few]
    keys = zip(before["account_id"].to_pylist(), before["snapshot_at"].to_pylist(), strict=True)
    assert differences(before.filter(pa.array([key in wanted for key in keys])), company.features(wanted, words)) == []


def test_a_row_is_used_from_the_moment_it_happened_and_was_known(company: Any) -> None:
    company.stage(
        accounts=[
            {"account_id": a, "started_at": "2020-01-01"} for a in ("early", "on the dot", "late", "known on the dot")
        ],
        usage=[
            {"account_id": "early", "at": T - TICK, "known_at": T - TICK},
            {"account_id": "on the dot", "at": T, "known_at": T},
            {"account_id": "late", "at": T - DAY, "known_at": T + TICK},
            {"account_id": "known on the dot", "at": T - DAY, "known_at": T},
        ],
    )
    found = company.features([("early", T), ("on the dot", T), ("late", T), ("known on the dot", T)]).to_pylist()
    assert {row["account_id"]: row["events_7d"] for row in found} == {
        "early": 1, "on the dot": 0, "late": 0, "known on the dot": 1,
    }  # fmt: skip


def test_a_correction_counts_from_the_moment_it_was_known(company: Any) -> None:
    versions = [("2024-01-10", 3), ("2024-02-10", 9)]
    company.stage(
        usage=[{"account_id": "a", "at": "2024-01-09"}],
        feedback=[
            {"account_id": "a", "row_id": "1", "at": "2024-01-10", "kind": "nps", "score": score, "known_at": known}
            for known, score in versions
        ],
    )
    dates = [datetime(2024, 1, 10), datetime(2024, 1, 11), datetime(2024, 2, 9), datetime(2024, 2, 10)]
    found = company.features([("a", date) for date in dates])
    assert found["nps_last"].to_pylist() == [None, 3, 3, 9]
    assert found["survey_answers_364d"].to_pylist() == [0, 1, 1, 1]
