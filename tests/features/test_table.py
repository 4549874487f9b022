"""The feature table against a second reading of every definition, row by row in plain Python."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features.catalogue import Vocabulary

DAY = timedelta(days=1)
T = datetime(2024, 3, 1)
MANY = settings(
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SNAPSHOTS = [datetime(2023, 12, 31), datetime(2024, 1, 28), T, datetime(2025, 1, 1)]
"""The second is a stretch of 28 days after the first, the others are not whole stretches away."""
CLOCK = {"accounts": "started_at", "subscriptions": "started_at", "support": "opened_at"}
Row = dict[str, Any]
Value = float | None


class Oracle:
    """Every feature of one account at one snapshot, from rows that are filtered one at a time."""

    def __init__(
        self, rows: dict[str, list[Row]], words: Vocabulary, account: str, at: datetime, versions: bool
    ) -> None:
        self.words, self.account, self.t, self.versions = words, account, at, versions
        self.rows = {name: self._visible(name, given) for name, given in rows.items()}

    def values(self) -> dict[str, Value]:
        parts = [self.usage(), self.people(), self.visits(), self.families(), self.feedback(), self.support()]
        parts += [self.touchpoints(), self.terms(), self.invoices(), self.profile()]
        found = {name: value for part in parts for name, value in part.items()}
        seats = found["seats"]
        found["seat_use_28d"] = over(found["users_28d"], seats)
        quiet = found["tickets_84d"] == 0
        halved = 2 * found["events_28d"] < Fraction(int(found["events_84d"]), 3) or found["events_84d"] == 0
        found["support_silence"] = 1 if quiet and halved else 0
        return {name: None if value is None else float(value) for name, value in found.items()}

    def _visible(self, source: str, rows: list[Row]) -> list[Row]:
        clock, seen = CLOCK.get(source, "at"), []
        for row in rows:
            known = row.get("known_at") or row[clock]
            keys = [row.get(k) for k in ("ticket_id", "row_id") if row.get(k)] or [row["account_id"]]
            newer = [
                other["known_at"]
                for other in rows
                if self.versions and keys[0] in (other.get("ticket_id"), other.get("row_id"), other["account_id"])
                if other["known_at"] > known
            ]
            replaced = bool(newer) and min(newer) <= self.t
            if row["account_id"] == self.account and row[clock] < self.t and known <= self.t and not replaced:
                seen.append(
                    row | {"_age": (self.t.date() - row[clock].date()).days, "_at": row[clock], "_known": known}
                )
        return seen

    def within(self, source: str, days: int, after: int = 0) -> list[Row]:
        first, last = self.t - days * DAY, self.t - after * DAY
        return [row for row in self.rows.get(source, []) if first <= row["_at"] < last]

    def usage(self) -> dict[str, Value]:
        last_364, last_84, last_28 = (self.within("usage", w) for w in (364, 84, 28))
        found: dict[str, Value] = {}
        for w in (7, 28, 84):
            window = self.within("usage", w)
            found[f"events_{w}d"] = len(window)
            found[f"active_days_{w}d"] = len({r["_at"].date() for r in window})
            for name, column in (("volume", "quantity"), ("spend", "value")):
                found[f"{name}_{w}d"] = money(r[column] for r in window)
        for w in (28, 84):
            known = {r["event"] for r in self.within("usage", w)} & set(self.words.all_events)
            found[f"event_kinds_{w}d"] = len(known)
        for name, column in (("volume", "quantity"), ("spend", "value")):
            new, old = (money(r[column] for r in self.within("usage", *w)) for w in ((28,), (56, 28)))
            found[f"{name}_trend_28d"] = over(new, new + old)
        weeks = {(r["_age"] - 1) // 7 for r in last_364}
        days = {r["_age"] for r in last_84}
        found["active_weeks_364d"] = len(weeks)
        found["events_per_active_day_28d"] = over(len(last_28), found["active_days_28d"])
        found["days_since_last_use"] = least(r["_age"] for r in last_364)
        found["usage_history_days"] = most(r["_age"] for r in last_364)
        found["days_between_uses_84d"] = mean(np.diff(sorted(days)))
        found["weeks_between_uses_364d"] = mean(np.diff(sorted(weeks)))
        found["recency_against_rhythm"] = over(found["days_since_last_use"], found["days_between_uses_84d"])
        found["usage_trend_28d"] = over(len(last_28), len(self.within("usage", 56)))
        found["usage_trend_7d"] = over(len(self.within("usage", 7)), len(last_28))
        found["usage_against_baseline_28d"] = over(len(last_28) * 13, len(last_364))
        weekly = [len(self.within("usage", 7 * (i + 1), 7 * i)) for i in reversed(range(12))]
        found["usage_slope_84d"] = float(np.polyfit(range(12), weekly, 1)[0] / np.mean(weekly)) if any(weekly) else None
        return found

    def people(self) -> dict[str, Value]:
        def seen(w: int) -> Counter[str]:
            return Counter(r["user_id"] for r in self.within("usage", w) if r["user_id"])

        made = seen(84)
        busiest = min(made, key=lambda user: (-made[user], user), default=None)
        found: dict[str, Value] = {f"users_{w}d": len(seen(w)) for w in (7, 28, 84)}
        found["users_trend_28d"] = over(len(seen(28)), len(made))
        found["top_user_share_84d"] = over(max(made.values(), default=0), made.total())
        found["days_since_top_user"] = least(
            r["_age"] for r in self.within("usage", 84) if busiest and r["user_id"] == busiest
        )
        return found

    def visits(self) -> dict[str, Value]:
        lines = [r for r in self.within("usage", 364) if r["session_id"]]
        names = {(r["session_id"], r["_age"]) for r in lines}
        visits = {v: [r for r in lines if (r["session_id"], r["_age"]) == v] for v in names}
        worth = {
            v: money(r["value"] for r in rows) if any(r["value"] is not None for r in rows) else None
            for v, rows in visits.items()
        }
        recent = [v for v in names if v[1] <= 84]
        usual = over(sum(w for w in worth.values() if w is not None), len(names))
        large = [v for v in recent if worth[v] is not None and 2 * worth[v] >= usual]
        found: dict[str, Value] = {f"visits_{w}d": sum(age <= w for _, age in names) for w in (7, 28, 84, 364)}
        found["visits_trend_28d"] = over(found["visits_28d"], sum(age <= 56 for _, age in names))
        found["lines_per_visit_84d"] = over(sum(len(visits[s]) for s in recent), len(recent))
        found["value_per_visit_84d"] = over(sum(worth[s] or 0 for s in recent), len(recent))
        found["days_since_large_visit"] = least(age for _, age in large)
        return found

    def families(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        slugs = {
            "login": "login",
            "Log in": "log_in",
            "kinds": "kinds",
            "export": "export",
            "export share": "export_share",
        }
        for event in self.words.event_names:
            word = slugs[event]

            def times(w: int, after: int = 0, event: str = event) -> int:
                return sum(r["event"] == event for r in self.within("usage", w, after))

            found[f"event_28d_{word}"], found[f"event_84d_{word}"] = times(28), times(84)
            found[f"event_share_28d_{word}"] = over(times(28), len(self.within("usage", 28)))
            found[f"event_share_84d_{word}"] = over(times(84), len(self.within("usage", 84)))
            found[f"event_trend_28d_{word}"] = over(times(28), times(56))
            found[f"event_days_since_{word}"] = least(
                r["_age"] for r in self.within("usage", 84) if r["event"] == event
            )
        return found

    def feedback(self) -> dict[str, Value]:
        rows = self.rows["feedback"]
        answers = [r for r in rows if r["kind"] in ("nps", "csat", "ces") and r["score"] is not None]
        sent = [r for r in self.within("feedback", 364) if r["kind"] == "survey_sent"]
        recent = [r for r in answers if r in self.within("feedback", 364)]
        last = max((r["_at"].date() for r in answers), default=datetime.min.date())
        found: dict[str, Value] = {
            "surveys_sent_364d": len(sent),
            "survey_answers_364d": len(recent),
            "survey_response_rate_364d": over(len(recent), len(sent)),
            "days_since_last_answer": least(r["_age"] for r in answers),
            "surveys_unanswered": sum(r["_at"].date() > last for r in sent),
            "survey_never_answered": int(any(r["kind"] == "survey_sent" for r in rows) and not answers),
        }
        for kind in ("nps", "csat", "ces", "review"):
            scores = ranked([r for r in rows if r["kind"] == kind and r["score"] is not None], "score")
            found[f"{kind}_last"] = scores[0] if scores else None
            found[f"{kind}_change"] = scores[0] - scores[1] if len(scores) > 1 else None
            found[f"{kind}_mean_364d"] = mean(r["score"] for r in recent if r["kind"] == kind)
            if kind == "nps":
                band = [(s >= 7) + (s >= 9) for s in scores]
                found["nps_class_shift"] = band[0] - band[1] if len(band) > 1 else None
        for w in (84, 364):
            found[f"complaints_{w}d"] = sum(r["kind"] == "complaint" for r in self.within("feedback", w))
        return {name: value for name, value in found.items() if name not in ("review_change", "review_mean_364d")}

    def support(self) -> dict[str, Value]:
        def done(row: Row, column: str) -> bool:
            return row[column] is not None and row[column] < self.t

        def hours(column: str) -> Value:
            minute = [(clock(r[column]) - clock(r["_at"])) / timedelta(hours=1) for r in last_84 if done(r, column)]
            return mean(minute)

        last_84, last_364 = self.within("support", 84), self.within("support", 364)
        still = [r for r in self.rows["support"] if not done(r, "resolved_at")]
        settled = [r for r in self.rows["support"] if self.versions or done(r, "resolved_at")]
        usual = (len(last_364) - len(self.within("support", 28))) / 12
        found: dict[str, Value] = {f"tickets_{w}d": len(self.within("support", w)) for w in (28, 84, 364)}
        found["ticket_spike_28d"] = (len(self.within("support", 28)) - usual) / (1 + usual) ** 0.5
        found["days_since_last_ticket"] = least(r["_age"] for r in self.rows["support"])
        found["tickets_open"], found["oldest_open_ticket_days"] = len(still), most(r["_age"] for r in still) or 0
        found["tickets_urgent_84d"] = sum(r["priority"] in ("high", "urgent") for r in last_84)
        found["escalations_84d"] = sum(r["escalations"] or 0 for r in last_84 if r in settled)
        found["reopened_84d"] = sum(r["reopened"] or 0 for r in last_84 if r in settled)
        found["ticket_csat_mean_364d"] = mean(r["csat"] for r in last_364 if r in settled and r["csat"] is not None)
        found["hours_to_first_response_84d"] = hours("first_response_at")
        found["hours_to_resolution_84d"] = hours("resolved_at")
        return found

    def touchpoints(self) -> dict[str, Value]:
        def joined(r: Row) -> bool:
            with_them = r["kind"] in ("meeting", "qbr", "training", "executive")
            answered = bool(r["answered"] and r["_age"] > 14)
            return r["direction"] == "inbound" or (with_them and r["answered"] is not False) or answered

        rows, last_84, last_364 = (
            self.rows["touchpoints"],
            self.within("touchpoints", 84),
            self.within("touchpoints", 364),
        )
        came = [r for r in rows if r["answered"] is not False]
        met = [r for r in came if r["kind"] in ("meeting", "qbr")]
        reached = [
            r for r in self.within("touchpoints", 196, 14) if r["direction"] == "outbound" and r["answered"] is not None
        ]
        left = [r["_age"] for r in self.within("touchpoints", 182) if r["kind"] == "champion_left"]
        feelings = ranked([r for r in rows if r["sentiment"] is not None], "sentiment")
        return {
            "days_since_two_way_contact": least(r["_age"] for r in rows if joined(r)),
            "two_way_contacts_84d": sum(joined(r) for r in last_84),
            "meetings_84d": sum(r in met for r in last_84),
            "days_since_meeting": least(r["_age"] for r in met),
            "outreach_answer_rate_182d": mean(r["answered"] for r in reached),
            "executive_contacts_364d": sum(r["kind"] == "executive" and r in came for r in last_364),
            "trainings_364d": sum(r["kind"] == "training" and r in came for r in last_364),
            "champion_left": max([1 - a / 182 for a in left], default=0),
            "contract_inquiries_84d": sum(r["kind"] == "contract_inquiry" for r in last_84),
            "sentiment_last": feelings[0] if feelings else None,
            "sentiment_change": feelings[0] - feelings[1] if len(feelings) > 1 else None,
            "sentiment_mean_182d": mean(
                r["sentiment"] for r in self.within("touchpoints", 182) if r["sentiment"] is not None
            ),
        }

    def terms(self) -> dict[str, Value]:
        def runs(r: Row, at: datetime) -> bool:
            return r["_at"] < at and (r["ended_at"] is None or r["ended_at"] >= at)

        def amount(column: str, at: datetime) -> Value:
            amounts = [r[column] for r in rows if runs(r, at) and r[column] is not None]
            return money(amounts) if amounts else None

        rows, before = self.rows["subscriptions"], self.t - 84 * DAY
        columns = ("mrr", "seats", "plan", "renews_at", "discount", "auto_renew", "billing_period")
        current = max(rows, key=lambda r: (r["_at"], r["_known"], *(ordered(r[c]) for c in columns)), default=None)
        noticed = [r for r in rows if r["cancelled_at"] and r["cancelled_at"] < self.t and runs(r, self.t)]
        found: dict[str, Value] = {
            "contract_tenure_days": most(r["_age"] for r in rows),
            "contract_terms": len(rows),
            "term_age_days": current and current["_age"],
            "days_to_renewal": current and current["renews_at"] and (current["renews_at"].date() - self.t.date()).days,
            "mrr": amount("mrr", self.t),
            "mrr_change_84d": over(amount("mrr", self.t), amount("mrr", before)),
            "seats": amount("seats", self.t),
            "seats_change_84d": over(amount("seats", self.t), amount("seats", before)),
            "discount": current and current["discount"],
            "is_cancelled": int(bool(noticed)) if rows else None,
        }
        if self.versions:
            found["auto_renew"] = current and current["auto_renew"]
        for column in ("plan", "billing_period"):
            found |= self.level("subscriptions", column, current)
        return found

    def invoices(self) -> dict[str, Value]:
        rows = self.rows["invoices"]
        newest = max(
            rows, key=lambda r: (r["_at"], r["_known"], ordered(r["amount"]), ordered(r["status"])), default=None
        )
        last_84, before, last_364 = (self.within("invoices", *w) for w in ((84,), (168, 84), (364,)))
        new, old = (money(r["amount"] for r in part) for part in (last_84, before))
        cut = money(r["discount"] for r in last_364)
        return {
            "payments_failed_84d": sum(r["status"] == "failed" for r in last_84),
            "last_payment_failed": int(newest is not None and newest["status"] == "failed"),
            "days_since_paid": least(r["_age"] for r in rows if r["status"] == "paid"),
            "refunds_364d": sum(r["status"] == "refunded" for r in self.within("invoices", 364, 28)),
            "invoiced_84d": new,
            "invoiced_trend_84d": over(new, new + old),
            "invoice_discount_364d": over(cut, money(r["amount"] for r in last_364)),
        }

    def profile(self) -> dict[str, Value]:
        account = self.rows["accounts"][0] if self.rows["accounts"] else None
        age = account and account["_age"]
        stage = None if age is None else 1 if age <= 90 else 2 if age <= 365 else 3
        found: dict[str, Value] = {"account_age_days": age, "lifecycle_stage": stage}
        for column in ("segment", "country"):
            found |= self.level("accounts", column, account)
        return found

    def level(self, source: str, column: str, row: Row | None) -> dict[str, Value]:
        levels = self.words.categories.get(f"{source}.{column}")
        if levels is None:
            return {}
        return {column: levels.index(row[column]) if row and row[column] in levels else None}


def over(part: Any, whole: Any) -> Any:
    return None if part is None or not whole else part / whole


def money(amounts: Iterable[Any]) -> Fraction:
    return sum((Fraction(str(a)) for a in amounts if a is not None), Fraction(0))


def mean(values: Iterable[Any]) -> Value:
    listed = [float(v) for v in values]
    return sum(listed) / len(listed) if listed else None


def least(values: Iterable[int]) -> Value:
    return min(values, default=None)


def most(values: Iterable[int]) -> Value:
    return max(values, default=None)


def ordered(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def ranked(rows: list[Row], column: str) -> list[float]:
    """Newest first; at one instant what became known last, then the higher value."""
    return [r[column] for r in sorted(rows, key=lambda r: (r["_at"], r["_known"], r[column]), reverse=True)]


def clock(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def same(one: Value, other: Value) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def cleaned(rows: dict[str, list[Row]], versions: bool) -> dict[str, list[Row]]:
    """Without versions, a source has neither `known_at` nor two rows of one key."""
    if versions:
        return rows
    without = {}
    for source, given_rows in rows.items():
        first: dict[str, Row] = {}
        for i, row in enumerate(given_rows):
            first.setdefault(row.get("ticket_id") or row.get("row_id") or str(i), row)
        without[source] = [{k: v for k, v in row.items() if k != "known_at"} for row in first.values()]
    return without


@pytest.mark.system("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10")
@pytest.mark.parametrize(
    ("versions", "at_once"),
    [
        pytest.param(True, 1, id="two clocks, date by date"),
        pytest.param(True, 60_000, id="two clocks, all dates at once"),
        pytest.param(False, 1, id="one clock, date by date"),
        pytest.param(False, 14, id="one clock, two dates at once"),
        pytest.param(False, 60_000, id="one clock, all dates at once"),
    ],
)
@settings(MANY, max_examples=2)
@given(seed=st.integers(0, 2**32))
def test_every_feature_is_what_its_definition_says(
    company: Any,
    random_rows: Callable[..., dict[str, list[Row]]],
    monkeypatch: pytest.MonkeyPatch,
    versions: bool,
    at_once: int,
    seed: int,
) -> None:
    monkeypatch.setattr("features.table.ROWS_AT_ONCE", at_once)
    rng = random.Random(seed)
    accounts = [*"abcdef", "no rows"]
    rows = random_rows(rng, accounts, SNAPSHOTS, each=60)
    for source, given_rows in rows.items():
        if source != "accounts":
            rows[source] = [r for r in given_rows if r["account_id"] != "no rows"]
    rows = cleaned(rows, versions)
    company.stage(**rows)
    assert all(s.rows_quarantined == 0 for s in company.staged.sources.values())
    words = company.words(SNAPSHOTS[-1])
    found = company.features([(a, t) for a in accounts for t in SNAPSHOTS], words).to_pylist()
    for row in found:
        wanted = Oracle(rows, words, row["account_id"], row["snapshot_at"], versions).values()
        got = {name: value for name, value in row.items() if name not in ("account_id", "snapshot_at")}
        assert got.keys() == wanted.keys()
        wrong = {name: (got[name], wanted[name]) for name in got if not same(got[name], wanted[name])}
        assert not wrong, (row["account_id"], row["snapshot_at"])


def uses(*moments: str | datetime) -> list[Row]:
    return [{"account_id": "a", "at": moment, "event": "login"} for moment in moments]


@pytest.mark.parametrize(
    ("moment", "feature", "value"),
    [
        pytest.param("2024-03-01", "events_28d", 0, id="at the snapshot"),
        pytest.param("2024-02-29 23:59:59.999999", "events_7d", 1, id="a microsecond before, on a leap day"),
        pytest.param("2024-02-02", "events_28d", 1, id="28 days before, to the moment"),
        pytest.param("2024-02-01 23:59:59.999999", "events_28d", 0, id="28 days and a microsecond before"),
        pytest.param("2023-12-31 12:00", "days_since_last_use", 61, id="over a year's end and a leap day"),
        pytest.param("2023-03-03", "days_since_last_use", 364, id="364 days before, to the moment"),
        pytest.param("2023-03-02 23:59:59.999999", "days_since_last_use", None, id="one microsecond more"),
        pytest.param("2024-02-29", "days_between_uses_84d", None, id="one day of use has no gap"),
        pytest.param("2023-01-01", "usage_trend_28d", None, id="no event in either window"),
    ],
)
def test_one_event_against_the_edges_of_windows(company: Any, moment: str, feature: str, value: Value) -> None:
    found = company.stage(usage=uses("2022-01-01", moment)).features([("a", T)])
    assert found[feature].to_pylist() == [value]


def test_events_of_one_instant_count_each_and_make_one_day(company: Any) -> None:
    found = company.stage(usage=uses("2024-02-20 10:00", "2024-02-20 10:00")).features([("a", T)]).to_pylist()[0]
    assert (found["events_28d"], found["active_days_28d"]) == (2, 1)


def test_a_visit_is_large_from_half_the_average_on(company: Any) -> None:
    lines = [
        ("big", "2024-01-10", 44.0),
        ("big", "2024-01-10", 1.0),
        ("half", "2024-02-20", 10.0),
        ("small", "2024-02-28", 5.0),
    ]
    rows = [{"account_id": "a", "session_id": visit, "at": at, "value": value} for visit, at, value in lines]
    found = company.stage(usage=rows).features([("a", T)]).to_pylist()[0]
    assert found["value_per_visit_84d"] == 20
    assert found["days_since_large_visit"] == 10


def test_answers_of_one_instant_rank_by_when_they_were_known_then_by_score(company: Any) -> None:
    at = {"account_id": "a", "kind": "nps", "at": "2024-02-01"}
    company.stage(
        usage=uses("2024-01-01"),
        feedback=[
            at | {"score": 3, "known_at": "2024-02-01"},
            at | {"score": 9, "known_at": "2024-02-01"},
            at | {"score": 6, "known_at": "2024-02-02"},
        ],
    )
    found = company.features([("a", T)]).to_pylist()[0]
    assert (found["nps_last"], found["nps_change"], found["nps_class_shift"]) == (6, -3, -2)


def test_back_to_back_terms_make_one_unbroken_contract(company: Any) -> None:
    terms = [("2023-01-01", "2023-12-08", 100), ("2023-12-08", None, 150)]
    company.stage(
        subscriptions=[{"account_id": "a", "started_at": s, "ended_at": e, "mrr": mrr} for s, e, mrr in terms]
    )
    found = company.features([("a", T), ("a", datetime(2023, 12, 8))])  # T is 84 days after the renewal
    assert found["mrr"].to_pylist() == [100, 150]
    assert found["mrr_change_84d"].to_pylist() == [1, 1.5]


def test_unknown_and_silent_accounts_have_counts_of_zero_and_unknowns(company: Any) -> None:
    company.stage(usage=uses(T, T + DAY), subscriptions=[{"account_id": "a", "started_at": T}])
    for row in company.features([("a", T), ("nobody", T)]).to_pylist():
        assert {row[name] for name in ("events_28d", "active_weeks_364d", "contract_terms")} == {0}
        assert {
            row[name] for name in ("days_since_last_use", "usage_trend_28d", "account_age_days", "term_age_days")
        } == {None}


@pytest.mark.parametrize("at_once", [1, 60_000])
def test_rows_in_are_rows_out(company: Any, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr("features.table.ROWS_AT_ONCE", at_once)
    spine = [("b", T), ("a", T), ("a", T), ("unknown", T), ("a", T - 28 * DAY)]
    term = {"account_id": "a", "started_at": "2024-02-15"}
    found = company.stage(usage=uses("2024-02-20"), subscriptions=[term]).features(spine)
    rows = list(zip(found["account_id"].to_pylist(), found["snapshot_at"].to_pylist(), strict=True))
    assert rows == sorted(spine, key=lambda row: (row[1], row[0]))
    assert found["events_28d"].to_pylist() == [0, 1, 1, 0, 0]
    assert found["contract_terms"].to_pylist() == [0, 1, 1, 0, 0]
    assert company.engine.rows("SELECT COUNT(*) FROM spine") == [(5,)]


def test_an_empty_spine_gives_an_empty_table_of_the_same_columns(company: Any) -> None:
    company.stage(usage=uses("2024-02-20"))
    assert company.features([]).schema == company.features([("a", T)]).schema
