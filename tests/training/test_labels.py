"""What became of a snapshot: literal tables, and a second reading of every rule on random ones."""

import random
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from training.errors import EvidenceError
from training.labels import label, observed_until

T, DAY, TICK = datetime(2024, 3, 1), timedelta(days=1), timedelta(microseconds=1)
MANY = settings(
    max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
Row = dict[str, Any]

CONTRACT = '[churn]\nkind = "contract"\nhorizon_days = 30\nlead_days = 7\ngrace_days = 7\n'
CLOSING = {"account_id": "other", "started_at": "2024-06-01"}
"""Another account's term: the table speaks of everything up to June."""


def terms(*spans: tuple[Any, ...], **more: Any) -> list[Row]:
    return [{"account_id": "a", "started_at": start, "ended_at": end} | more for start, end in spans]


def outcomes(company: Any, spine: list[tuple[str, datetime]]) -> list[str]:
    company.spine(spine)
    found: list[str] = label(company.settings, company.engine, company.staged).table["outcome"].tolist()
    return found


# The window of T = 1 March with lead 7 and horizon 30 is (8 March, 7 April].
@pytest.mark.parametrize(
    ("spans", "outcome"),
    [
        pytest.param([("2023-01-01", "2024-03-08")], "stayed", id="ends at the window's open start"),
        pytest.param([("2023-01-01", "2024-03-08 00:00:00.000001")], "churned", id="ends a microsecond into it"),
        pytest.param([("2023-01-01", "2024-04-07")], "churned", id="ends at the window's closed end"),
        pytest.param([("2023-01-01", "2024-04-07 00:00:00.000001")], "stayed", id="ends a microsecond after it"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2024-03-20", "2025-01-01")], "stayed", id="back to back"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2024-03-27", "2025-01-01")], "stayed",
                     id="renewed on the last day of grace"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2024-03-27 00:00:00.000001", "2025-01-01")], "churned",
                     id="back after grace"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2023-06-01", "2024-08-01")], "stayed", id="another term runs on"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2023-06-01", "2024-03-20")], "churned",
                     id="two terms end at once"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2023-06-01", "2024-03-15")], "churned",
                     id="the shorter ends first"),
        pytest.param([("2023-01-01", None)], "stayed", id="an open term"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2024-03-22", None)], "stayed", id="renewed for good"),
        pytest.param([("2023-01-01", "2024-12-31")], "stayed", id="an end planned far ahead"),
        pytest.param([("2023-01-01", "2024-03-20"), ("2024-03-21", "2024-04-01")], "churned",
                     id="renewed, and left in the window"),
    ],
)  # fmt: skip
def test_contract(company: Any, spans: list[tuple[Any, ...]], outcome: str) -> None:
    company.stage(CONTRACT, subscriptions=[*terms(*spans), CLOSING])
    assert outcomes(company, [("a", T)]) == [outcome]


@pytest.mark.parametrize(
    ("moment", "outcome"),
    [
        pytest.param("2024-03-08", "churned", id="at the open start"),
        pytest.param("2024-03-08 00:00:00.000001", "stayed", id="a microsecond after it"),
        pytest.param("2024-04-07", "stayed", id="at the closed end"),
        pytest.param("2024-04-07 00:00:00.000001", "churned", id="a microsecond after that"),
        pytest.param("2024-03-05", "churned", id="only within the lead"),
    ],
)
def test_inactivity(company: Any, moment: str, outcome: str) -> None:
    toml = '[churn]\nkind = "inactivity"\nhorizon_days = 30\nlead_days = 7'
    company.stage(toml, usage=[{"account_id": a, "at": at} for a, at in (("a", moment), ("other", "2024-06-01"))])
    assert outcomes(company, [("a", T)]) == [outcome]


TOLD = '[churn]\nkind = "told"\nhorizon_days = 30\n'


@pytest.mark.parametrize(
    ("told", "outcome", "reason", "preventable"),
    [
        pytest.param([], "stayed", None, None, id="nothing told"),
        pytest.param([{"reason": "Price"}], "churned", "Price", None, id="a reason"),
        pytest.param([{"reason": "Payment failed"}], "involuntary", "Payment failed", None,
                     id="a word that means involuntary"),
        pytest.param([{"reason": "Was ACQUIRED"}], "involuntary", "Was ACQUIRED", None, id="whatever its case"),
        pytest.param([{"reason": "payment terms", "intent": "voluntary"}], "churned", "payment terms", None,
                     id="intent before words"),
        pytest.param([{"reason": "price", "intent": "involuntary"}], "involuntary", "price", None,
                     id="told involuntary"),
        pytest.param([{"preventable": True}], "churned", None, True, id="preventable"),
        pytest.param(
            [{"reason": "first"}, {"reason": "second", "at": "2024-03-20", "intent": "involuntary"}],
            "churned", "first", None, id="told twice: the first and its own words",
        ),
        pytest.param([{"at": "2024-03-01"}], "stayed", None, None, id="told at the snapshot"),
        pytest.param([{"at": "2024-03-31"}], "churned", None, None, id="told at the window's end"),
        pytest.param([{"at": "2024-04-01"}], "stayed", None, None, id="told after it"),
    ],
)  # fmt: skip
def test_told(company: Any, told: list[Row], outcome: str, reason: Any, preventable: Any) -> None:
    rows = [
        {"account_id": "a", "at": "2024-03-10", "reason": None, "intent": None, "preventable": None} | r for r in told
    ]
    other = {"account_id": "other", "at": "2024-06-01", "reason": "x", "intent": None, "preventable": None}
    company.stage(TOLD, usage=[{"account_id": a, "at": "2024-01-01"} for a in ("a", "other")], churns=[*rows, other])
    company.spine([("a", T)])
    found = label(company.settings, company.engine, company.staged).table.iloc[0][["outcome", "reason", "preventable"]]
    assert [None if pd.isna(value) else value for value in found] == [outcome, reason, preventable]


def test_a_contract_churn_takes_the_nearest_word_told_of_it(company: Any) -> None:
    told = [("2024-02-01", "price"), ("2024-03-22", "bankrupt"), ("2024-04-30", "support"), ("2024-06-01", "late")]
    company.stage(
        CONTRACT,
        subscriptions=[*terms(("2023-01-01", "2024-03-20"), cancel_reason="contract"), CLOSING],
        churns=[{"account_id": "a", "at": at, "reason": reason} for at, reason in told],
    )
    company.spine([("a", T)])
    row = label(company.settings, company.engine, company.staged).table.iloc[0]
    assert (row.outcome, row.reason) == ("involuntary", "bankrupt")


def test_a_reason_belongs_to_its_own_churn(company: Any) -> None:
    """The first of two churns in a window gave no reason; the second one's is not borrowed."""
    spans = [("2023-01-01", "2024-03-10", None), ("2024-03-20", "2024-04-01", "payment")]
    rows = [{"account_id": "a", "started_at": s, "ended_at": e, "cancel_reason": r} for s, e, r in spans]
    company.stage(CONTRACT, subscriptions=[*rows, CLOSING])
    assert outcomes(company, [("a", T)]) == ["churned"]


def test_words_with_quotes_are_words(company: Any) -> None:
    toml = CONTRACT + """involuntary_reasons = ["owner's death"]\n"""
    company.stage(
        toml, subscriptions=[*terms(("2023-01-01", "2024-03-20"), cancel_reason="The Owner's Death"), CLOSING]
    )
    assert outcomes(company, [("a", T)]) == ["involuntary"]


@pytest.mark.parametrize(
    ("until", "outcome"), [("2024-04-13", "censored"), ("2024-04-14", "stayed")], ids=["a day short", "just closed"]
)
def test_a_contract_window_closes_with_its_grace(company: Any, until: str, outcome: str) -> None:
    company.stage(CONTRACT + f"observed_until = {until}", subscriptions=terms(("2023-01-01", None)))
    assert outcomes(company, [("a", T)]) == [outcome]


def test_a_censored_row_is_counted_and_never_stayed(company: Any) -> None:
    company.stage(CONTRACT, subscriptions=[*terms(("2023-01-01", "2024-05-20")), CLOSING])
    company.spine([("a", T), ("a", T + 28 * DAY), ("a", T + 70 * DAY), ("a", T + 80 * DAY)])
    found = label(company.settings, company.engine, company.staged)
    assert found.counts() == {"stayed": 2, "churned": 0, "involuntary": 0, "censored": 2}


@pytest.mark.parametrize(
    ("sources", "until"),
    [
        pytest.param({"subscriptions": terms(("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01"))}, "2024-02-01",
                     id="planned ends: the last start"),
        pytest.param({"subscriptions": terms(("2024-01-01", None), ("2024-01-05", "2024-02-10")),
                      "usage": [{"account_id": "a", "at": "2024-05-01"}]}, "2024-02-10", id="open terms: the last end"),
        pytest.param({"subscriptions": terms(("2024-01-01", None), ("2024-01-05", "2024-12-31")),
                      "usage": [{"account_id": "a", "at": "2024-05-01"}]}, "2024-01-05",
                      id="an end that no source has reached"),
        pytest.param({"subscriptions": terms(("2024-01-01", None))
                      + terms(("2024-01-05", "2024-02-10"), renews_at=datetime(2024, 2, 10)),
                      "usage": [{"account_id": "a", "at": "2024-05-01"}]}, "2024-01-05",
                      id="an end that is a renewal date"),
        pytest.param({"subscriptions": terms(("2024-01-01", "2024-02-01"), known_at="2024-01-20")}, "2024-01-20",
                     id="rows tell when they became known"),
        pytest.param({"subscriptions": terms(("2024-01-01", "2024-02-01"), known_at="2024-01-02")
                      + terms(("2024-09-01", None), known_at="2024-01-15")}, "2024-01-15", id="a term agreed ahead"),
        pytest.param({"subscriptions": terms(("2024-01-01", None), row_id="1", known_at="2024-01-01")
                      + terms(("2024-01-01", "2024-02-10"), row_id="1", known_at="2024-01-20"),
                      "usage": [{"account_id": "a", "at": "2024-05-01"}]}, "2024-01-20",
                     id="a term that was open once is not open"),
    ],
)  # fmt: skip
def test_contracts_are_observed_until(company: Any, sources: dict[str, list[Row]], until: str) -> None:
    company.stage(**sources)
    found = observed_until(company.settings, company.engine, company.staged)
    assert found == datetime.fromisoformat(until)


def test_other_kinds_are_observed_until_their_last_row(company: Any) -> None:
    rows = {
        "usage": [{"account_id": "a", "at": "2024-05-01 12:00"}],
        "churns": [{"account_id": "a", "at": "2024-04-01"}],
    }
    for kind, until in (("inactivity", datetime(2024, 5, 1, 12)), ("told", datetime(2024, 4, 1))):
        company.stage(f'[churn]\nkind = "{kind}"', **rows)
        assert observed_until(company.settings, company.engine, company.staged) == until


def test_a_source_of_churn_without_a_good_row_is_refused(company: Any) -> None:
    company.stage(TOLD, usage=[{"account_id": "a", "at": T}], churns=[{"account_id": "x", "at": T}])
    with pytest.raises(EvidenceError, match="churns holds no good row"):
        observed_until(company.settings, company.engine, company.staged)


def test_the_newest_version_of_a_term_decides(company: Any) -> None:
    first = {"account_id": "a", "row_id": "1", "started_at": "2023-01-01", "ended_at": None, "known_at": "2023-01-01"}
    ended = first | {"ended_at": "2024-03-20", "known_at": "2024-06-01"}
    company.stage(CONTRACT, subscriptions=[first, ended])
    assert outcomes(company, [("a", T)]) == ["churned"]


def test_an_end_that_was_corrected_is_no_end(company: Any) -> None:
    first = {"account_id": "a", "row_id": "1", "started_at": "2023-01-01", "known_at": "2023-01-01"}
    told, corrected = first | {"ended_at": "2024-03-20"}, first | {"ended_at": "2024-03-05", "known_at": "2024-06-01"}
    company.stage(CONTRACT, subscriptions=[told, corrected])
    assert outcomes(company, [("a", T), ("a", T - 28 * DAY)]) == ["churned", "stayed"]


def test_every_row_of_the_spine_has_one_outcome_in_its_order(company: Any) -> None:
    company.stage(CONTRACT, subscriptions=[*terms(("2023-01-01", "2024-03-20")), CLOSING])
    company.spine([("z", T), ("a", T), ("a", T), ("a", T - 300 * DAY)])
    found = label(company.settings, company.engine, company.staged).table
    assert list(zip(found["account_id"], found["outcome"], strict=True)) == [
        ("a", "stayed"), ("a", "churned"), ("a", "churned"), ("z", "stayed"),
    ]  # fmt: skip


@MANY
@given(seed=st.integers(0, 2**32), lead=st.sampled_from([0, 5]), grace=st.sampled_from([0, 3, 10]))
def test_contract_labels_are_those_of_walking_through_the_days(company: Any, seed: int, lead: int, grace: int) -> None:
    """On whole days: an account churns on a day that is covered no more, and stays uncovered through its grace."""
    rng = random.Random(seed)
    spans: dict[str, list[tuple[int, int]]] = {}
    for i in range(20):
        starts = [rng.randrange(-20, 60) for _ in range(rng.randint(1, 4))]
        spans[f"a{i}"] = [(start, start + rng.randint(1, 40)) for start in starts]
    toml = f"[churn]\nhorizon_days = 20\nlead_days = {lead}\ngrace_days = {grace}\nobserved_until = 2024-05-01"
    rows = [
        {"account_id": a, "row_id": f"{a} {i}", "started_at": T + s * DAY, "ended_at": T + e * DAY}
        for a, listed in spans.items()
        for i, (s, e) in enumerate(listed)
    ]
    company.stage(toml, subscriptions=rows)

    def outcome(account: str, day: int) -> str:
        if day + lead + 20 + grace > 61:  # 1 May
            return "censored"
        covered = {d for s, e in spans[account] for d in range(s, e)}
        ends = [d for d in range(day + lead + 1, day + lead + 21) if d - 1 in covered and d not in covered]
        return "churned" if any(not covered & set(range(d, d + grace + 1)) for d in ends) else "stayed"

    spine = [(account, T + day * DAY) for account in spans for day in (0, 14, 28, 42)]
    company.spine(spine)
    found = label(company.settings, company.engine, company.staged).table
    for row in found.itertuples():
        assert row.outcome == outcome(row.account_id, (row.snapshot_at - T).days), (row.account_id, row.snapshot_at)


@MANY
@given(seed=st.integers(0, 2**32), lead=st.sampled_from([0, 3]))
def test_inactivity_labels_are_those_of_looking_for_a_use(company: Any, seed: int, lead: int) -> None:
    rng = random.Random(seed)
    used = [(f"a{rng.randrange(15)}", T + timedelta(hours=rng.randrange(-200, 2000, 12))) for _ in range(60)]
    company.stage(
        f'[churn]\nkind = "inactivity"\nhorizon_days = 14\nlead_days = {lead}',
        usage=[{"account_id": account, "at": at} for account, at in used],
    )
    company.spine([(f"a{i}", T + day * DAY) for i in range(15) for day in (0, 28, 56, 70)])
    last = max(at for _, at in used)
    for row in label(company.settings, company.engine, company.staged).table.itertuples():
        begin, end = row.snapshot_at + lead * DAY, row.snapshot_at + (lead + 14) * DAY
        seen = any(account == row.account_id and begin < at <= end for account, at in used)
        assert row.outcome == ("censored" if end > last else "stayed" if seen else "churned")
