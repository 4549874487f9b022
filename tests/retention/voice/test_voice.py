"""What customers say, from rows that can be counted by hand."""

import pytest

from retention.figures import mean
from retention.voice import answering, chapter, scores, shifts, themes


def answer(account, at, score, *, kind="nps", text=None):
    return {
        "account_id": account,
        "row_id": f"{account}{at}{kind}",
        "at": at,
        "kind": kind,
        "score": score,
        "text": text,
    }


ACCOUNTS = [{"account_id": name, "started_at": "2023-01-01", "segment": "s", "owner": f"o-{name}"} for name in "abcd"]


@pytest.mark.system("A3")
@pytest.mark.parametrize(
    ("score", "name"),
    [(0, "detractor"), (6, "detractor"), (7, "passive"), (8, "passive"), (9, "promoter"), (10, "promoter")],
)
def test_an_answer_belongs_to_its_class(measured, score, name):
    inputs = measured(accounts=ACCOUNTS, feedback=[answer("a", "2024-12-01", score)])
    assert scores.by_account(inputs).column("class") == [name]


@pytest.mark.system("A1", "A3", "R17", "A14")
def test_nps_is_promoters_minus_detractors_by_quarter_segment_and_over_the_year(measured):
    feedback = [
        *(answer("a", f"2024-10-0{i}", 9) for i in range(1, 7)),
        *(answer("b", f"2024-10-0{i}", 6) for i in range(1, 3)),
        *(answer("c", f"2024-10-0{i}", 7) for i in range(1, 3)),
        answer("d", "2024-07-01", 0),
        answer("a", "2024-11-01", 4, kind="csat"),
        answer("a", "2025-02-01", 0),
    ]
    inputs = measured(accounts=ACCOUNTS, feedback=feedback)
    block = scores.by_quarter(inputs)
    assert [
        (f"{q:%Y-%m}", nps.value, nps.n) for q, nps in zip(block.column("quarter"), block.column("nps"), strict=True)
    ] == [
        ("2024-07", -100.0, 1),
        ("2024-10", 40.0, 10),
    ]
    assert block.column("promoters") == [0.0, 0.6]
    assert block.column("csat")[1].value == 4.0
    assert scores.by_segment(inputs).column("nps")[0].value == pytest.approx(100 * (6 - 3) / 11)
    assert chapter(inputs).figures["nps"].value == pytest.approx(100 * (6 - 3) / 11)


def test_the_interval_of_nps_is_that_of_the_mean_of_its_points(measured):
    feedback = [answer("a", f"2024-10-{i:02}", s) for i, s in enumerate([10, 9, 9, 8, 7, 6, 3, 10, 9, 0], 1)]
    import numpy as np

    points = np.array([100, 100, 100, 0, 0, -100, -100, 100, 100, -100], dtype=float)
    assert scores.overall(measured(accounts=ACCOUNTS, feedback=feedback)) == mean(points)


@pytest.mark.system("A4")
def test_a_fall_is_an_event_with_its_quarters_and_the_usual_two_where_nothing_was_learned(measured):
    feedback = [answer("a", "2024-08-01", 10), answer("a", "2024-11-15", 7), answer("b", "2024-11-01", 9)]
    inputs = measured(accounts=ACCOUNTS, feedback=feedback)
    shifts.make(inputs)
    (row,) = shifts.recent(inputs).as_dicts()
    assert (row["account_id"], row["before"], row["class"]) == ("a", "promoter", "passive")
    assert (row["quarter"], row["risk_quarter"]) == ("2024-Q4", "2025-Q2")
    assert "customary" in shifts.recent(inputs).says


@pytest.mark.system("A4")
def test_how_long_a_fall_comes_before_the_loss_is_learned(measured):
    names = [f"x{i}" for i in range(6)]
    accounts = [{"account_id": n, "started_at": "2022-01-01"} for n in [*names, "y"]]
    feedback = [a for n in names for a in (answer(n, "2023-01-01", 9), answer(n, "2023-04-01", 7))]
    feedback += [answer("y", "2024-10-01", 9), answer("y", "2024-11-01", 6)]
    terms = [{"account_id": n, "started_at": "2022-01-01", "ended_at": "2023-07-10", "mrr": 1.0} for n in names]
    terms += [{"account_id": "y", "started_at": "2022-01-01", "ended_at": None, "mrr": 1.0}]
    inputs = measured(accounts=accounts, feedback=feedback, subscriptions=terms)
    shifts.make(inputs)
    (row,) = shifts.foretold(inputs).as_dicts()
    assert (row["before"], row["class"], row["lost"].value, row["lead_days"].value) == (
        "promoter",
        "passive",
        1.0,
        100.0,
    )
    assert "100 days" in shifts.recent(inputs).says


@pytest.mark.system("A5", "A2")
def test_themes_are_counted_by_who_writes_them(measured):
    feedback = [
        answer("a", "2024-10-01", 9, text="Saves us hours, worth it"),
        answer("b", "2024-10-01", 3, text="BUGS everywhere"),
        answer("b", "2024-10-02", 2, text="hard to see the value"),
        answer("c", "2024-10-01", None, kind="complaint", text="the outage broke the invoice run"),
    ]
    found = {row["theme"]: row for row in themes.by_class(measured(accounts=ACCOUNTS, feedback=feedback)).as_dicts()}
    assert found["Value"]["promoter"].value == 1.0
    assert found["Value"]["detractor"].value == 0.5
    assert found["Bugs and outages"]["detractor"].value == 0.5
    assert found["Bugs and outages"]["complaint"].value == 1.0
    assert found["Price and invoices"]["complaint"].value == 1.0
    assert found["Support"]["promoter"].value == 0.0


@pytest.mark.system("A8")
def test_an_issue_recurs_by_the_accounts_that_write_of_it(measured):
    feedback = [
        answer("a", "2024-12-01", None, kind="complaint", text="a bug"),
        answer("a", "2024-12-05", None, kind="complaint", text="the bug again"),
        answer("b", "2024-12-05", 4, text="bug"),
        answer("c", "2024-12-05", 10, text="no bug at all"),
        answer("d", "2024-09-05", 4, text="bug"),
    ]
    found = {r["theme"]: r for r in themes.recurring(measured(accounts=ACCOUNTS, feedback=feedback)).as_dicts()}
    row = found["Bugs and outages"]
    assert (row["accounts"], row["before"], row["change"]) == (2, 1, 1)


@pytest.mark.system("A7")
def test_a_loop_is_closed_by_the_first_thing_we_do_within_the_time(measured):
    feedback = [answer(name, "2024-10-01", score) for name, score in (("a", 5), ("b", 5), ("c", 7), ("d", 9))]
    touchpoints = [
        {"account_id": "a", "row_id": "1", "at": "2024-10-02T00:00", "kind": "email", "direction": "outbound"},
        {"account_id": "b", "row_id": "2", "at": "2024-11-20", "kind": "email", "direction": "outbound"},
        {"account_id": "b", "row_id": "3", "at": "2024-10-02", "kind": "email", "direction": "inbound"},
    ]
    kept = {"decision_history": [{"account_id": "c", "at": "2024-10-03", "by": "k", "choice": "accept"}]}
    block = answering.loops(measured(accounts=ACCOUNTS, feedback=feedback, touchpoints=touchpoints, kept=kept))
    rows = {row["class"]: row for row in block.as_dicts()}
    assert (rows["detractor"]["closed"].value, rows["detractor"]["hours"].value) == (0.5, 24.0)
    assert (rows["passive"]["closed"].value, rows["passive"]["hours"].value) == (1.0, 48.0)
    assert "promoter" not in rows


@pytest.mark.system("A6", "W14")
def test_deadlines_are_kept_broken_or_waiting_and_breaches_are_listed_by_owner(measured):
    def sign(account, rule, due, **more):
        return {
            "account_id": account,
            "rule": rule,
            "at": "2024-12-01",
            "severity": "high",
            "text": "t",
            "due_at": due,
        } | more

    kept = {
        "sign_history": [
            sign("a", "W14", "2024-12-02"),
            sign("b", "W14", "2024-12-02"),
            sign("c", "W1", "2025-02-01"),
            sign("d", "W1", "2024-12-08", closed_at="2024-12-05", closed_by="run"),
            sign("d", "W2", "2024-12-08", closed_at="2024-12-05", closed_by="key-1"),
        ],
        "play_history": [{"account_id": "a", "at": "2024-12-01T12:00", "play": "p", "arm": "treated"}],
    }
    inputs = measured(accounts=ACCOUNTS, kept=kept)
    found = {
        row["owner"]: (row["kept"].value, row["late"], row["waiting"]) for row in answering.deadlines(inputs).as_dicts()
    }
    assert found == {"o-a": (1.0, 0, 0), "o-b": (0.0, 1, 0), "o-c": (None, 0, 1), "o-d": (1.0, 0, 0)}
    (breach,) = answering.breaches(inputs).as_dicts()
    assert (breach["account_id"], breach["owner"], breach["rule"], breach["hours_late"]) == ("b", "o-b", "W14", 720)


@pytest.mark.system("A6", "R18")
def test_a_ticket_resolved_after_the_moment_is_open(measured):
    support = [
        {"account_id": "a", "ticket_id": "1", "opened_at": "2024-12-01T00:00", "first_response_at": "2024-12-01T02:00",
         "resolved_at": "2024-12-02T00:00", "escalations": 1, "csat": 4},
        {"account_id": "a", "ticket_id": "2", "opened_at": "2024-12-30T00:00", "first_response_at": "2024-12-30T04:00",
         "resolved_at": "2025-01-05T00:00", "escalations": 0, "csat": None},
    ]  # fmt: skip
    (row,) = answering.tickets(measured(accounts=ACCOUNTS, support=support)).as_dicts()
    assert (row["tickets"], row["first_response"].value, row["resolution"].value, row["open"]) == (2, 3.0, 24.0, 1)
    assert (row["escalated"].value, row["csat"].value) == (0.5, 4.0)


def test_what_the_data_do_not_tell_is_said_by_name(measured):
    found = chapter(measured())
    assert found.blocks == ()
    assert [line.split(":")[0] for line in found.not_measured] == [
        "NPS, satisfaction, shifts between classes and closed loops",
        "themes and recurring issues",
        "first response, resolution and ticket satisfaction",
        "deadlines of warnings",
    ]
