"""Checklists: which phase, what is done, what is overdue; progress never goes backwards without an undo."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.config import load
from features.engine import open_engine
from features.sources import stage
from retention import house
from retention.inputs import open_inputs
from retention.journey.book import Customer, look
from retention.journey.checklist import Tick, checklist, checklists, open_phases, ticks
from retention.journey.phases import items, overdue, phases

START = "2024-03-01"


def _tick(item, at, *, account="a", is_done=True):
    return {"account_id": account, "item": item, "at": at, "by": "ann", "is_done": is_done}


def _list(book, phase, account="a"):
    return next(one for one in checklists(book)[account] if one.opened.name == phase)


def _state(book, item, account="a"):
    return next(check for check in _list(book, item.split(".")[0], account).checks if check.id == item)


@pytest.mark.system("R23", "R24", "R25", "R26")
@pytest.mark.parametrize(
    ("day", "left", "names"),
    [
        pytest.param(0, 365, ["onboarding"], id="the first day"),
        pytest.param(90, 275, ["onboarding"], id="day 90"),
        pytest.param(91, 274, ["adoption"], id="day 91"),
        pytest.param(274, 91, ["adoption"], id="91 days before the renewal"),
        pytest.param(275, 90, ["adoption", "pre_renewal"], id="90 days before the renewal"),
        pytest.param(365, 0, ["adoption", "pre_renewal"], id="day 365, the day of the renewal"),
        pytest.param(366, 364, ["maturity"], id="month 13"),
    ],
)
def test_a_customer_is_in_the_phase_of_its_day_and_before_its_renewal(looked_once, day, left, names):
    now = looked_once.as_of
    numbers = {"age_days": float(day), "days_to_renewal": float(left), "term_days": 365.0}
    one = Customer(
        account_id="a",
        began_at=now - timedelta(days=day),
        renews_at=now + timedelta(days=left),
        numbers=numbers,
    )
    assert [opened.name for opened in open_phases(looked_once, one)] == names


@pytest.mark.system("R26")
def test_a_monthly_contract_has_no_checklist_before_its_renewal(looked, term):
    book = looked("2024-03-20", subscriptions=[term("a", START, days=31)])
    assert [opened.name for opened in open_phases(book, book.customer("a"))] == ["onboarding"]


@pytest.mark.system("R23", "D8")
def test_onboarding_items_are_read_from_the_data_or_ticked(looked, term, uses):
    book = looked(
        "2024-04-20",
        subscriptions=[term("a", START)],
        usage=uses("a", ["2024-03-20"], ["login", "search", "export"]),
        touchpoints=[{"account_id": "a", "at": "2024-03-11", "kind": "meeting"}],
        kept={"check_history": [_tick("onboarding.success_plan", "2024-03-05"),
                                _tick("onboarding.setup", "2024-03-09", account="other")]},
    )  # fmt: skip
    held = _list(book, "onboarding")
    told = {check.id.split(".")[1]: (check.is_done, check.by, check.is_overdue) for check in held.checks}
    assert told == {
        "success_plan": (True, "ann", False),
        "setup": (False, None, True),  # due on day 7, ticked for another account alone
        "first_value": (True, "data", False),
        "trained": (False, None, True),
        "people": (False, None, True),
        "check_in": (False, "data", True),  # last contact 40 days ago
        "warnings": (None, "data", False),  # nothing was scored
    }
    assert (held.done, held.whole, held.complete) == (2, 5, 0.4)
    assert held.kept == 0


@pytest.mark.system("R24")
def test_what_is_to_be_kept_up_lapses(looked, term):
    rows = {
        "subscriptions": [term("a", START)],
        "touchpoints": [{"account_id": "a", "at": "2024-07-10", "kind": "qbr"}],
    }
    assert _state(looked("2024-08-01", **rows), "adoption.touch").is_done is True
    assert _state(looked("2024-08-20", **rows), "adoption.touch").is_done is False
    assert _state(looked("2024-08-20", **rows), "adoption.reviewed").is_done is True
    assert _state(looked("2024-11-01", **rows), "adoption.review").is_done is False


@pytest.mark.system("R24")
def test_consistently_green_is_four_kept_runs_in_a_row(looked, term):
    def runs(tiers):
        days = [f"2024-08-{4 + 7 * i:02d}" for i in range(len(tiers))]
        return [
            {"account_id": "a", "as_of": day, "tier": tier, "health_score": 75.0}
            for day, tier in zip(days, tiers, strict=True)
        ]

    def green(tiers):
        book = looked("2024-09-30", subscriptions=[term("a", START)], kept={"score_history": runs(tiers)})
        return _state(book, "adoption.green").is_done, book.customer("a").number("green_runs")

    assert green(["green"] * 4) == (True, 4)
    assert green(["red", "green", "green", "green"]) == (False, 3)
    assert green(["green", "green", "green", "yellow"]) == (False, 0)


@pytest.mark.system("R25")
def test_a_quarterly_tick_holds_for_a_quarter(looked, term):
    kept = {"check_history": [_tick("maturity.renewal_risk", "2025-06-01")]}
    rows = {"subscriptions": [term("a", START, days=3650)], "kept": kept}
    assert _state(looked("2025-09-01", **rows), "maturity.renewal_risk").is_done is True
    later = _state(looked("2025-09-02", **rows), "maturity.renewal_risk")
    assert (later.is_done, later.is_overdue) == (False, True)


@pytest.mark.system("R26")
def test_before_a_renewal_only_what_was_done_since_the_window_opened_counts(looked, term):
    rows = {
        "subscriptions": [term("a", START)],
        "touchpoints": [
            {"account_id": "a", "at": "2024-11-20", "kind": "executive"},
            {"account_id": "a", "at": "2024-12-05", "kind": "meeting"},
        ],
        "kept": {"check_history": [_tick("pre_renewal.summary", "2024-11-20"),
                                   _tick("pre_renewal.contract", "2024-12-20")]},
    }  # fmt: skip
    held = _list(looked("2025-01-01", **rows), "pre_renewal")
    assert {check.id.split(".")[1] for check in held.checks if check.is_done} == {"conversation", "contract"}
    assert [check.id for check in held.overdue] == ["pre_renewal.summary"], "due on day 21 of the window"


@pytest.mark.system("R23", "R24", "R25", "R26", "D8")
def test_blocks_add_up_over_accounts(looked, term, uses):
    names = [f"a{i}" for i in range(6)]
    book = looked(
        "2024-05-01",
        subscriptions=[term(name, START) for name in names],
        usage=[row for name in names[:4] for row in uses(name, ["2024-03-05"], ["login", "search", "export"])],
    )
    lists = checklists(book)
    row = phases(book, lists).as_dicts()[0]
    assert (row["phase"], row["customers"], row["complete"].value) == ("Onboarding", 6, pytest.approx(4 / 6 / 4))
    by_item = {item["item"]: item for item in items(book, lists).as_dicts()}
    assert by_item["onboarding.first_value"]["done"].value == pytest.approx(4 / 6)
    assert by_item["onboarding.first_value"]["overdue"] == 2
    assert row["overdue"] == sum(item["overdue"] for item in by_item.values())
    assert sum(overdue(book, lists).column("items")) == row["overdue"]
    assert "onboarding.setup" in items(book, lists).notes[0], "nobody ticks it, so it is named, not counted as late"


MOMENTS = st.integers(0, 80).map(lambda day: datetime(2024, 3, 1) + timedelta(days=day))
ITEMS = st.sampled_from(["onboarding.success_plan", "onboarding.setup", "onboarding.trained", "onboarding.first_value"])


@pytest.mark.system("D8")
@settings(max_examples=12, deadline=None)
@given(said=st.lists(st.tuples(ITEMS, MOMENTS, st.booleans()), max_size=8, unique_by=lambda one: one[:2]))
def test_progress_never_goes_backwards_without_an_undo(looked_once, said):
    book = looked_once
    one = book.customer("a")
    opened = open_phases(book, one)[0]
    words = sorted(said, key=lambda word: word[1])
    done = [_progress(book, one, opened, words[:n]) for n in range(len(words) + 1)]
    for word, before, after in zip(words, done, done[1:], strict=False):
        assert after >= before or not word[2], f"{word} made less of it"


def _progress(book, one, opened, words):
    """As the store keeps it: the newest word on an item counts."""
    mine = {item: Tick(at=at, by="ann", is_done=is_done) for item, at, is_done in words}
    return checklist(book, one, opened, {"a": mine}).done


@pytest.fixture(scope="module")
def looked_once(tmp_path_factory):
    """One book for all examples: the property is about ticks alone."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "subscriptions.csv").write_text("account_id,started_at,renews_at\na,2024-03-01,2025-03-01\n")
    (folder / "usage.csv").write_text("account_id,at,event\n" + "".join(f"a,2024-03-2{i},e{i}\n" for i in range(3)))
    toml = '[sources]\nsubscriptions = { path = "subscriptions.csv" }\nusage = { path = "usage.csv" }\n'
    (folder / "keepwell.toml").write_text(toml)
    company = load(folder / "keepwell.toml")
    with open_engine(folder / "home") as engine:
        staged = stage(company, engine, now=datetime(2024, 6, 1))
        yield look(open_inputs(engine, staged, company, house.load(None), datetime(2024, 5, 25)))


def test_the_newest_word_counts_and_an_undo_opens_again(looked, term):
    words = [_tick("onboarding.setup", "2024-03-05"), _tick("onboarding.setup", "2024-03-06", is_done=False)]
    book = looked("2024-03-20", subscriptions=[term("a", START)], kept={"check_history": words})
    assert ticks(book)["a"]["onboarding.setup"].is_done is False
    assert _state(book, "onboarding.setup").is_done is False
    earlier = looked("2024-03-05", subscriptions=[term("a", START)], kept={"check_history": words})
    assert _state(earlier, "onboarding.setup").is_done is True
