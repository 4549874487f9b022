"""The kept feature table: computed where it is missing or late rows touch it, and the same as one that is built."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import table
from features.catalogue import Vocabulary
from features.engine import open_engine
from features.kept import Kept, keep, vocabulary
from features.sources import stage

DAY = timedelta(days=1)
DATES = [datetime(2024, 1, 1) + i * 28 * DAY for i in range(6)]
WORDS = Vocabulary(("login",), ("login",), {})
SPINE = [(account, day) for day in DATES for account in "ab"]


@pytest.fixture(autouse=True)
def date_by_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """As large companies are computed: each snapshot alone, years from stretches."""
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 1)


def uses(*moments: datetime, **more: Any) -> list[dict[str, Any]]:
    return [{"account_id": "a", "at": at, "event": "login", "session_id": "s"} | more for at in moments]


def kept(company: Any, spine: list[tuple[str, datetime]] = SPINE, tell: Any = lambda done, all_: None) -> Kept:
    company.spine(spine)
    return keep(company.engine, company.staged, company.catalogue(WORDS), company.folder / "home", tell)


def rows(found: Kept) -> pa.Table:
    return pa.concat_tables(found.parts())


OLD = uses(*(datetime(2023, 1, 1) + 5 * i * DAY for i in range(100)))


def test_only_what_is_missing_is_computed(company: Any) -> None:
    company.stage(usage=OLD)
    assert kept(company, SPINE[:8]).computed == tuple(DATES[:4])
    assert kept(company).computed == tuple(DATES[4:])
    assert kept(company).computed == ()


@pytest.mark.parametrize(
    "left_out", [set(), {"known_at"}, {"known_at", "session_id"}], ids=["two clocks", "one clock", "no visits"]
)
def test_what_is_kept_is_what_is_built(company: Any, random_rows: Any, left_out: set[str]) -> None:
    made = random_rows(random.Random(7), [*"ab"], DATES, each=40)
    made = {name: [{k: v for k, v in r.items() if k not in left_out} for r in of] for name, of in made.items()}
    company.stage(**made)
    kept(company, SPINE[:6])
    found = rows(kept(company))
    company.spine(SPINE)
    assert found.to_pylist() == table.build(company.engine, company.staged, company.catalogue(WORDS)).to_pylist()


@pytest.mark.parametrize(
    ("apart", "enough"),
    [
        pytest.param(28, 10, id="28 days apart"),
        pytest.param(14, 10, id="14 days apart, years of the same stretches"),
        pytest.param(14, 2, id="14 days apart, years of their own"),
        pytest.param(10, 10, id="10 days apart"),
    ],
)
@pytest.mark.parametrize(
    "left_out",
    [{"known_at"}, {"known_at", "session_id"}, {"known_at", "value"}, {"known_at", "quantity", "session_id"}],
    ids=["visits", "no visits", "visits without money", "neither visits nor quantities"],
)
def test_shared_stretches_hold_what_the_rows_do(
    company: Any, random_rows: Any, monkeypatch: pytest.MonkeyPatch, apart: int, enough: int, left_out: set[str]
) -> None:
    monkeypatch.setattr("features.stretches.ENOUGH", enough)
    dates = [DATES[0] + i * apart * DAY for i in range(6)]
    made = random_rows(random.Random(apart), [*"ab"], dates, each=80)["usage"]
    company.stage(usage=[{k: v for k, v in row.items() if k not in left_out} for row in made])
    company.spine([(account, day) for day in dates for account in "ab"])
    alone = table.build(company.engine, company.staged, company.catalogue(WORDS)).to_pylist()
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 60_000)
    assert alone == table.build(company.engine, company.staged, company.catalogue(WORDS)).to_pylist()


@pytest.mark.parametrize(
    ("late", "touched"),
    [
        pytest.param(uses(DATES[2] - DAY), DATES[2:], id="snapshots after it see it"),
        pytest.param(uses(DATES[5]), [], id="at the last snapshot nobody sees it"),
        pytest.param(uses(DATES[3] - 364 * DAY), DATES[:4], id="usage is seen for 364 days"),
        pytest.param(OLD[:1], [], id="a copy of a row older than a year"),
    ],
)
def test_late_rows_touch_the_snapshots_that_see_them(company: Any, late: Any, touched: list[datetime]) -> None:
    company.stage(usage=OLD)
    kept(company)
    company.stage(usage=OLD + late)
    found = kept(company)
    assert found.computed == tuple(touched)
    company.spine(SPINE)
    assert rows(found).to_pylist() == table.build(company.engine, company.staged, company.catalogue(WORDS)).to_pylist()


def test_a_late_row_that_says_when_it_was_known_touches_nothing_before(company: Any) -> None:
    known = [row | {"known_at": row["at"]} for row in OLD]
    company.stage(usage=known)
    kept(company)
    company.stage(usage=[*known, *uses(DATES[1] - DAY, known_at=DATES[4] - DAY)])
    assert kept(company).computed == tuple(DATES[4:])


def test_a_row_that_changes_touches_what_saw_it(company: Any) -> None:
    ticket = {"account_id": "a", "ticket_id": "1", "opened_at": DATES[3] - DAY, "priority": "low"}
    company.stage(usage=OLD, support=[ticket])
    kept(company)
    company.stage(usage=OLD, support=[ticket | {"priority": "urgent"}])
    found = kept(company)
    assert found.computed == tuple(DATES[3:])
    assert rows(found).filter(pc.field("account_id") == "a")["tickets_urgent_84d"].to_pylist()[3] == 1


def test_an_interrupted_run_goes_on_where_it_was(company: Any) -> None:
    company.stage(usage=OLD)

    def stop(done: int, all_: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(company, tell=stop)
    assert kept(company).computed == tuple(DATES[2:])


def test_two_runs_at_once_leave_one_right_table(company: Any) -> None:
    company.stage(usage=OLD)

    def run(number: int) -> Kept:
        with open_engine(company.folder / f"work{number}") as engine:
            staged = stage(company.settings, engine)
            company_spine = pa.table({"account_id": [a for a, _ in SPINE], "snapshot_at": [t for _, t in SPINE]})
            engine.register(
                "spine", company_spine.cast(pa.schema([("account_id", "string"), ("snapshot_at", pa.timestamp("us"))]))
            )
            return keep(engine, staged, company.catalogue(WORDS), company.folder / "home", lambda done, all_: None)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, (1, 2))
    assert one.files == other.files
    assert sorted(one.folder.glob("*/*")) == sorted(one.files.values())
    company.spine(SPINE)
    assert rows(one).to_pylist() == table.build(company.engine, company.staged, company.catalogue(WORDS)).to_pylist()


def test_another_version_computes_anew_what_it_may_define_otherwise(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.stage(usage=OLD)
    assert kept(company).computed == tuple(DATES)
    monkeypatch.setattr("features.kept.version", lambda name: "99.0")
    assert kept(company).computed == tuple(DATES)
    assert len([*(company.folder / "home" / "features" / "stretches").iterdir()]) == 2


def test_another_catalogue_has_a_table_of_its_own_and_the_last_words_are_found_again(company: Any) -> None:
    company.stage(usage=OLD)
    assert vocabulary(company.folder / "home") is None
    first = kept(company)
    assert vocabulary(company.folder / "home") == WORDS
    company.spine(SPINE)
    more = company.catalogue(Vocabulary((), (), {}))
    second = keep(company.engine, company.staged, more, company.folder / "home", lambda done, all_: None)
    assert second.folder != first.folder
    assert len(second.computed) == len(DATES)
    assert vocabulary(company.folder / "home") == more.vocabulary
