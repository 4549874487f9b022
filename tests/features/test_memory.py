"""Files that do not change are read once for what staging asks of them; what is told stays the same."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.config import load
from features.engine import Engine, open_engine
from features.sources import Staged, memory, stage
from features.tallies import tally

NOW = datetime(2025, 1, 1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def even_small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ENOUGH_BYTES", 0)


class Folder:
    """A company of usage files, one a month, and accounts where they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, 0
        (folder / "usage").mkdir()
        self.toml = '[sources.usage]\npath = "usage/*.parquet"\n[churn]\nkind = "inactivity"\n'

    def month(self, name: str, *rows: tuple[str | None, datetime]) -> None:
        accounts, moments = [a for a, _ in rows], [t for _, t in rows]
        columns = {"account_id": pa.array(accounts, pa.string()), "at": pa.array(moments, pa.timestamp("us"))}
        pq.write_table(pa.table(columns), self.folder / "usage" / f"{name}.parquet")

    def accounts(self, *ids: str) -> None:
        pq.write_table(pa.table({"account_id": list(ids)}), self.folder / "accounts.parquet")
        if "accounts" not in self.toml:
            self.toml += '[sources.accounts]\npath = "accounts.parquet"\n'

    def stage(self, now: datetime = NOW) -> Staged:
        (self.folder / "keepwell.toml").write_text(self.toml, encoding="utf-8")
        settings = load(self.folder / "keepwell.toml")
        with open_engine(settings.home_dir) as engine:
            self.asked = 0
            create = engine.create

            def counted(name: str, query: str) -> None:
                self.asked += name.startswith("_answer")
                create(name, query)

            engine.create = counted  # type: ignore[method-assign]
            found = stage(settings, engine, now=now)
            self.rows = engine.rows('SELECT account_id, "at" FROM usage ORDER BY ALL')
            self.tallied = [(day, n) for day, n, _ in tally(engine, found, "usage")]
            self.started = engine.rows("SELECT account_id, started_at FROM accounts ORDER BY ALL")
            return found


@pytest.fixture
def months(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.month("01", ("a", datetime(2024, 1, 5)), ("b", datetime(2024, 1, 9)))
    made.month("02", ("a", datetime(2024, 2, 5)))
    return made


def test_nothing_is_asked_again_of_files_that_did_not_change(months: Folder) -> None:
    first = months.stage()
    assert months.asked > 0
    assert months.stage() == first
    assert months.asked == 0


def test_rows_with_an_id_are_remembered_until_one_comes_again(months: Folder) -> None:
    months.toml = months.toml.replace("[churn]", "row_id = 'account_id || CAST(\"at\" AS VARCHAR)'\n[churn]")
    first = months.stage()
    assert months.asked > 0
    assert months.stage() == first
    assert months.asked == 0
    months.month("03", ("a", datetime(2024, 2, 5)), ("c", datetime(2024, 3, 5)))
    found = months.stage().sources["usage"]
    assert (found.rows_good, found.rows_quarantined) == (4, 1)
    assert len(months.rows) == 4


def test_a_new_file_is_asked_alone_and_counts(months: Folder) -> None:
    months.stage()
    months.month("03", ("c", datetime(2024, 3, 1)), ("a", datetime(2023, 12, 31)))
    found = months.stage().sources["usage"]
    assert (found.rows_good, found.first_at, found.last_at) == (5, datetime(2023, 12, 31), datetime(2024, 3, 1))
    assert [str(a) for a, _ in months.started] == ["a", "b", "c"]
    assert months.started[0][1] == datetime(2023, 12, 31)
    assert len(months.rows) == 5


@pytest.mark.parametrize("change", ["other rows", "no more there"])
def test_a_file_that_changed_is_asked_again(months: Folder, change: str) -> None:
    months.stage()
    file = months.folder / "usage" / "01.parquet"
    if change == "other rows":
        months.month("01", ("z", datetime(2024, 1, 5)), ("z", datetime(2024, 1, 9)))
        os.utime(file, ns=(1, 1))
    else:
        file.unlink()
    found = months.stage().sources["usage"]
    assert found.rows_good == (3 if change == "other rows" else 1)
    assert [a for a, _ in months.started] == (["a", "z"] if change == "other rows" else ["a"])


def test_broken_rows_are_told_of_every_time(months: Folder) -> None:
    months.month("02", ("a", datetime(2024, 2, 5)), (None, datetime(2024, 2, 6)), ("b", NOW + DAY))
    wanted = {"account_id is missing": 1, "at is in the future": 1}
    for _ in range(2):
        assert {b.reason: b.count for b in months.stage().sources["usage"].quarantined} == wanted
    told = months.stage(now=NOW + 2 * DAY).sources["usage"]
    assert {b.reason: b.count for b in told.quarantined} == {"account_id is missing": 1}
    assert told.rows_good == 4


def test_rows_that_become_good_count_in_all_that_is_asked(months: Folder) -> None:
    months.month("03", ("c", NOW + DAY))
    months.stage()
    assert [a for a, _ in months.started] == ["a", "b"]
    months.stage(now=NOW + 2 * DAY)
    assert [a for a, _ in months.started] == ["a", "b", "c"]
    assert months.tallied[-1] == (NOW + DAY, 1)


def test_rows_whose_account_comes_later_count_in_all_that_is_asked(months: Folder) -> None:
    months.accounts("a")
    months.stage()
    assert sum(n for _, n in months.tallied) == 2
    months.accounts("a", "b")
    months.stage()
    assert sum(n for _, n in months.tallied) == 3


def test_rows_that_stay_broken_are_not_asked_for_again(months: Folder) -> None:
    months.month("02", (None, datetime(2024, 2, 6)), ("b", datetime(2024, 2, 7)))
    first = months.stage()
    before = months.asked
    assert months.stage() == first
    assert months.asked < before


def test_rows_of_an_account_that_went_away_are_found(months: Folder) -> None:
    months.accounts("a", "b")
    assert months.stage().sources["usage"].rows_quarantined == 0
    months.accounts("a")
    found = months.stage().sources["usage"]
    assert {b.reason: b.count for b in found.quarantined} == {"unknown account, not in accounts": 1}
    assert [a for a, _ in months.rows] == ["a", "a"]


def test_another_mapping_asks_anew(months: Folder) -> None:
    months.stage()
    months.toml += "[company]\ntimezone = 'Asia/Tokyo'\n"
    assert months.stage().sources["usage"].first_at == datetime(2024, 1, 4, 15)


def test_many_batches_become_one(months: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_BATCHES", 2)
    for i in range(3, 8):
        months.month(f"{i:02}", ("a", datetime(2024, i, 1)))
        assert months.stage().sources["usage"].rows_good == i + 1
    known = list((months.folder / ".keepwell" / "known" / "usage").glob("*/*/files.json"))
    assert len(known) <= 3


def test_copies_are_estimated_from_a_sample_where_rows_are_many(
    months: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.sources.counting.COPIES_UP_TO", 100)
    monkeypatch.setattr("features.sources.staging.COPIES_UP_TO", 100)
    rows: list[tuple[Any, datetime]] = [
        (f"a{i % 50}", datetime(2024, 1, 1) + i * timedelta(minutes=1)) for i in range(20_000)
    ]
    months.month("01", *rows, *rows[:10_000])
    found = months.stage()
    copies = found.sources["usage"].copies
    assert copies is not None
    assert 8_000 < copies < 12_000
    assert "about " in found.warnings[0]


def test_the_engine_of_another_company_remembers_nothing(months: Folder, engine: Engine) -> None:
    months.stage()
    assert not engine.remembered
