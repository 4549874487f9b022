"""Touches and reviews due, advocates, people that carry an account, the first 90 days, and weekly cohorts."""

from datetime import datetime, timedelta

import pytest

from retention.journey import advocates
from retention.journey.checklist import checklists
from retention.journey.cohorts import review
from retention.journey.onboarding import evidence, first_days
from retention.journey.relations import multithreading
from retention.journey.touches import reviews, touches
from retention.journey.way import ways


def _meets(account, *days, kind="meeting"):
    return [{"account_id": account, "at": day, "kind": kind} for day in days]


@pytest.mark.system("D12")
def test_the_next_touch_follows_the_shortest_cadence(looked, term):
    names = ["high", "low", "fresh", "news", "big"]
    levels = {"high": "high", "low": "low", "big": "low", "news": "low"}
    book = looked(
        "2024-12-31",
        accounts=[{"account_id": a, "segment": "enterprise" if a == "big" else "smb"} for a in names],
        subscriptions=[term(a, "2024-12-10" if a == "fresh" else "2024-03-15", days=3650) for a in names],
        touchpoints=[
            *_meets("high", "2024-12-20"),
            *_meets("low", "2024-11-20"),
            *_meets("fresh", "2024-12-26"),
            *_meets("big", "2024-12-15"),
            *_meets("news", "2024-11-10"),
            *_meets("news", "2024-12-30", kind="champion_left"),
        ],
        kept={"score_history": [{"account_id": a, "as_of": "2024-12-29", "risk_level": level, "tier": "green"}
                                for a, level in levels.items()]},
        rules="[journey]\ntouch_by_segment = { enterprise = 14 }\n",
    )  # fmt: skip
    told = [(r["account_id"], r["every_days"], r["because"], r["late_days"]) for r in touches(book).as_dicts()]
    assert told == [
        ("news", 30, "low risk", 21),
        ("low", 30, "low risk", 11),
        ("high", 7, "high risk", 4),
        ("big", 14, "segment enterprise", 2),
        ("fresh", 7, "onboarding", -2),
    ]


@pytest.mark.system("S9")
def test_a_review_is_due_a_quarter_after_the_last_or_after_the_begin(looked, term):
    book = looked(
        "2024-12-31",
        subscriptions=[term(a, "2024-03-01") for a in ("due", "done", "never")] + [term("new", "2024-11-01")],
        touchpoints=[
            *_meets("due", "2024-09-30", kind="qbr"),
            *_meets("done", "2024-10-01", kind="qbr"),
            *_meets("new", "2024-02-01"),
            *_meets("never", "2024-12-01"),
        ],
    )
    told = [(r["account_id"], r["late_days"]) for r in reviews(book).as_dicts()]
    assert told == [("never", 213), ("due", 0)]


def _weekly(uses, account, counts):
    """So many events in each of the 12 weeks before 2025-01-01, the last week last."""
    days = [datetime(2025, 1, 1) - timedelta(days=7 * (len(counts) - i)) for i in range(len(counts))]
    return [row for day, n in zip(days, counts, strict=True) for row in uses(account, [f"{day:%Y-%m-%d}"], ["e"] * n)]


@pytest.mark.system("S10")
def test_an_advocate_uses_it_much_and_steadily(looked, term, uses):
    counts = {
        "steady": [10] * 12,
        "jumpy": [1, 22] * 6,
        "little": [2] * 12,
        "sour": [11] * 12,
        "red": [12] * 12,
        "quiet": [1] * 12,
        "small": [3] * 12,
    }
    book = looked(
        "2025-01-01",
        subscriptions=[term(a, "2024-06-01") for a in counts],
        usage=[row for a, weeks in counts.items() for row in _weekly(uses, a, weeks)],
        feedback=[{"account_id": "sour", "at": "2024-12-01", "kind": "nps", "score": 6}],
        kept={"score_history": [{"account_id": "red", "as_of": "2024-12-29", "tier": "red", "health_score": 30.0}]},
        rules='[advocates]\nlevel = 0.5\n',
    )  # fmt: skip
    told = advocates.block(book).as_dicts()
    assert [(r["account_id"], r["level"], r["variation"]) for r in told] == [("steady", 10, 0)]
    assert book.customer("steady").number("is_advocate") == 1


@pytest.mark.system("L15")
def test_a_shopper_who_buys_often_or_praises_is_an_advocate(looked, uses):
    names = [f"a{i}" for i in range(10)]
    days = [f"2024-{month:02d}-{day:02d}" for month in (10, 11, 12) for day in range(9, 30, 4)]
    book = looked(
        "2025-01-01",
        toml='[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 60\n',
        usage=[row for i, a in enumerate(names) for row in uses(a, ["2024-09-01", "2024-10-20", *days[-1 - i :]])],
        feedback=[{"account_id": "a3", "at": "2024-12-01", "kind": "review", "score": 5},
                  {"account_id": "a4", "at": "2024-12-01", "kind": "nps", "score": 8}],
    )  # fmt: skip
    told = {r["account_id"]: r["why"] for r in advocates.block(book).as_dicts()}
    assert told == {"a9": "buys often", "a3": "praises"}


@pytest.mark.system("P5")
def test_an_account_of_one_person_depends_on_it(looked, term, uses):
    def people(account, counts):
        return [row for i, n in enumerate(counts) for row in uses(account, ["2024-12-10"], ["e"] * n, f"u{i}")]

    book = looked(
        "2025-01-01",
        subscriptions=[term(a, "2023-06-01") for a in ("many", "two", "top")] + [term("young", "2024-03-01")],
        usage=[*people("many", [5, 5, 5]), *people("two", [5, 5]), *people("top", [8, 2, 2]), *people("young", [9])],
        feedback=[{"account_id": "many", "user_id": u, "at": "2024-12-01", "kind": "nps", "score": 9} for u in "xyx"],
    )
    told = {r["account_id"]: (r["depends"], r["people"], r["spoke"]) for r in multithreading(book).as_dicts()}
    assert told == {"many": (False, 3, 2), "two": (True, 2, 0), "top": (True, 3, 0)}


@pytest.mark.system("P3", "D8")
def test_the_first_90_days_tell_what_was_missed(looked, term, uses):
    book = looked(
        "2024-04-20",
        subscriptions=[term("well", "2024-03-01"), term("slow", "2024-03-01"), term("old", "2023-03-01")],
        usage=[
            *uses("well", ["2024-03-03"], ["login", "search", "export"]),
            *uses("well", ["2024-03-04"], user="u2"),
            *uses("well", ["2024-03-04"], user="u3"),
            *uses("slow", ["2024-03-03"]),
            *uses("old", ["2024-01-01"]),
        ],
        kept={"check_history": [{"account_id": "well", "item": "onboarding.success_plan", "is_done": True,
                                 "at": "2024-03-05", "by": "ann"}]},
    )  # fmt: skip
    told = first_days(book, checklists(book)).as_dicts()
    assert [(r["account_id"], r["risk"], r["people"], r["has_plan"]) for r in told] == [
        ("slow", pytest.approx(2 / 3), 1, False),
        ("well", 0, 3, True),
    ]
    assert f"{told[1]['first_value_at']:%m-%d}" == "03-03"


@pytest.mark.system("P3")
def test_the_evidence_compares_like_with_like(looked, term, uses):
    """Ten customers of a year ago: five in time of whom one left, five late of whom three left."""
    names = [f"a{i}" for i in range(10)]
    rows = [term(a, "2023-03-01", days=3650) for a in names]
    for i in (0, 5, 6, 7):
        rows[i]["ended_at"] = datetime(2023, 9, 1)
    usage = [row for a in names[:5] for row in uses(a, ["2023-03-05"], ["login", "search", "export"])]
    usage += [row for a in names[5:] for row in uses(a, ["2023-06-05"], ["login", "search", "export"])]
    young = term("young", "2024-02-01")
    book = looked("2024-06-01", subscriptions=[*rows, young], usage=[*uses("z", ["2023-01-01"]), *usage])
    told = {(r["milestone"], r["when"]): r["lost"] for r in evidence(book, ways(book)).as_dicts()}
    in_time, late = told["first_value", "in time"], told["first_value", "late or never"]
    assert ((in_time.value, in_time.n), (late.value, late.n)) == ((0.2, 5), (0.6, 5))


@pytest.mark.system("C3")
def test_a_cohort_is_reviewed_by_its_own_weeks(looked, uses):
    toml = '[company]\nbusiness_model = "b2c"\n[churn]\nkind = "inactivity"\nhorizon_days = 45\n'
    usage = uses("old", ["2024-01-01", "2024-02-10", "2024-03-20", "2024-04-25", "2024-06-01"])
    for i in range(5):  # begins in the week of 03-04; three come in week 1, one in week 4
        usage += uses(f"a{i}", ["2024-03-05"] + ["2024-03-12"] * (i < 3) + ["2024-04-03"] * (i == 0))
    for i in range(5):  # begins in the week of 03-11; one comes in week 1
        usage += uses(f"b{i}", ["2024-03-13"] + ["2024-03-25"] * (i == 1) + ["2024-03-26"] * (i == 0))
    book = looked("2024-04-15", toml=toml, usage=usage)
    before, newest = review(book, ways(book)).as_dicts()
    assert (before["week_1"].value, before["week_4"].value, before["week_8"].value) == (0.6, 0.2, None)
    assert (newest["week_1"].value, newest["usual"], newest["against"]) == (0.4, 0.6, pytest.approx(-0.2))
