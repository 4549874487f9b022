"""Passive churn, traces before a loss, and the three reasons read from them."""

from datetime import datetime, timedelta

import pytest

from retention.reasons import before, losses, passive, traces
from retention.reasons.causes import Root, Vocabulary

DAY = timedelta(days=1)
TOLD = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01\ninactive_days = 20'
FEW = "[programme]\nfewest = 1"


def uses(account, *days):
    return [{"account_id": account, "at": f"{day}T09:00"} for day in days]


def daily(account, first, last):
    start, n = datetime.fromisoformat(first), (datetime.fromisoformat(last) - datetime.fromisoformat(first)).days
    return [{"account_id": account, "at": (start + i * DAY).isoformat()} for i in range(0, n, 5)]


@pytest.fixture
def silence(measured, stayer, leaver):
    """Of four: one stopped and left, one stopped and came back, one never stopped, one is silent now."""
    terms = [
        leaver("left", "2024-06-01"),
        stayer("back"),
        stayer("busy"),
        stayer("quiet"),
        leaver("abrupt", "2024-05-01"),
    ]
    usage = [
        *daily("left", "2023-06-02", "2024-03-01"),
        *daily("back", "2023-06-02", "2024-02-01"),
        *daily("back", "2024-04-01", "2025-01-01"),
        *daily("busy", "2023-06-02", "2025-01-01"),
        *daily("quiet", "2023-06-02", "2024-11-01"),
        *daily("abrupt", "2023-06-02", "2024-05-01"),
    ]
    return measured("2025-01-01", toml=TOLD, rules=FEW, subscriptions=terms, usage=usage)


@pytest.mark.system("T2")
def test_who_stops_using_is_passive_before_being_lost(silence):
    thresholds = passive.make(silence)
    spells = silence.rows("SELECT p.account_id, p.since, p.back_at, p.left_at FROM passive_spells p ORDER BY 1")
    assert [(row[0], row[1]) for row in spells] == [
        ("back", datetime(2024, 2, 17)),
        ("left", datetime(2024, 3, 18)),
        ("quiet", datetime(2024, 11, 18)),
    ]
    assert (spells[0][2], spells[1][3]) == (datetime(2024, 4, 1), datetime(2024, 6, 1))
    (book,) = passive.followed(silence, thresholds).rows
    assert (book[1], book[2]) == (20, 1)
    assert (book[3].value, book[3].n) == (0.5, 2), "the silence of today is not over yet"
    assert (book[4].value, book[4].n) == (0.0, 3), "of the customers of half a year ago nobody left"
    assert (book[5].value, book[5].n) == (75.0, 1), "from 18 March to 1 June"


@pytest.mark.system("T2")
def test_the_silent_customers_of_today_are_listed(silence):
    passive.make(silence)
    (row,) = passive.now(silence).rows
    assert (row[0], row[3]) == ("quiet", 44)


def test_silence_before_the_usage_data_begin_is_none(measured, stayer):
    inputs = measured(
        "2025-01-01",
        toml=TOLD,
        rules=FEW,
        subscriptions=[stayer("old", "2020-01-01"), stayer("other")],
        usage=[*daily("old", "2024-01-01", "2025-01-01"), *daily("other", "2024-01-01", "2025-01-01")],
    )
    passive.make(inputs)
    assert inputs.rows("SELECT * FROM passive_spells") == []


def test_silence_after_the_usage_data_end_is_none(measured, stayer):
    terms, usage = [stayer("a"), stayer("b")], [row for a in "ab" for row in daily(a, "2024-01-01", "2024-08-01")]
    inputs = measured("2025-01-01", toml=TOLD, rules=FEW, subscriptions=terms, usage=usage)
    passive.make(inputs)
    assert passive.now(inputs).rows == ()


def contact(account, at, kind, known_at=None):
    return {"account_id": account, "at": at, "kind": kind, "known_at": known_at or at}


@pytest.fixture
def trail(measured, stayer, leaver):
    """Two who left, with what was seen before; one of it became known only afterwards."""
    terms = [leaver("a", "2024-06-30", "price"), leaver("b", "2024-09-30"), *[stayer(f"s{i}") for i in range(8)]]
    touchpoints = [
        contact("a", "2024-05-31", "champion_left"),
        contact("a", "2024-05-01", "contract_inquiry", known_at="2024-07-10"),
        contact("b", "2024-07-02", "champion_left"),
        contact("b", "2024-01-02", "contract_inquiry"),
        contact("s0", "2024-12-01", "champion_left"),
    ]
    ticket = {"ticket_id": "t", "account_id": "a", "opened_at": "2024-06-10", "topic": "bug in export"}
    return measured(
        "2025-01-01",
        toml=TOLD,
        rules=FEW,
        subscriptions=terms,
        touchpoints=touchpoints,
        support=[ticket | {"escalations": 0}],
        usage=[row for a in ("a", "b", *[f"s{i}" for i in range(8)]) for row in daily(a, "2023-06-02", "2025-01-01")],
        kept={
            "score_history": [
                {"account_id": "b", "as_of": "2024-09-01", "driver": "poor_support"},
                {"account_id": "b", "as_of": "2024-09-22", "driver": "budget"},
            ],
            "sign_history": [{"account_id": "b", "rule": "W1", "at": "2024-09-22"}],
        },
    )


@pytest.mark.system("G2")
def test_each_signal_has_its_lead_time_and_how_often_stayers_have_it(trail):
    traces.make(trail)
    words = Vocabulary(trail.house.causes)
    rows = {row[0]: row[1:] for row in before.signals(trail, losses.read(trail, words)).rows}
    lost, stayed, times, lead = rows["The champion left"]
    assert (lost.value, stayed.value, times) == (1.0, 1 / 8, 8.0)
    assert (lead.value, lead.n) == (60.0, 2), "30 and 90 days"
    asked = rows["They asked about the contract"][0]
    assert asked.value == 0.0, "one was learnt after the loss, one lies too far back"
    warned = rows["warning W1"]
    assert (warned[0].value, warned[0].n) == (1.0, 1), "only losses since warnings are kept count"
    assert warned[3].value == 8.0


@pytest.mark.system("T4")
def test_a_reason_is_inferred_from_the_last_score_else_from_traces(trail):
    traces.make(trail)
    read = {loss.account_id: loss for loss in losses.read(trail, Vocabulary(trail.house.causes))}
    assert (read["a"].stated, read["a"].inferred, read["a"].evidence) == (
        Root("economic", "pricing"),
        Root("strategic", "champion_left"),
        "trace",
    )
    assert (read["b"].stated, read["b"].inferred, read["b"].evidence) == (None, Root("economic"), "score")


def test_without_scores_or_traces_tickets_tell(measured, stayer, leaver):
    tickets = [
        {"ticket_id": f"t{i}", "account_id": "a", "opened_at": f"2024-0{i}-10", "topic": topic}
        for i, topic in enumerate(["billing", "bug", "a bug again"], start=3)
    ]
    inputs = measured(toml=TOLD, subscriptions=[leaver("a", "2024-06-30"), stayer("s")], support=tickets)
    traces.make(inputs)
    (loss,) = losses.read(inputs, Vocabulary(inputs.house.causes))
    assert (loss.inferred, loss.evidence) == (Root("product", "bugs"), "topic")
