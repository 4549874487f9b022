"""Runs and accounts in the store: what is written is read back, once, in a stable order."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from serving.book import score_book
from serving.errors import ServingError
from serving.store import accounts, open_store, outbox, runs, signs, tables
from serving.store.accounts import Filters
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored, rows_of

DAY = datetime(2026, 1, 1)
SAME_STORE = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def scored(account_id, **known):
    return Scored(score=Score(account_id=account_id, **known), detail={"reasons": []})


def write(store, *rows, day=DAY, model="7", policy="p", shadow=False, **more):
    run = NewRun(as_of=day, model_version=model, policy_digest=policy, scored_at=day, is_shadow=shadow)
    with store.write() as db:
        return runs.write_run(db, run, rows, **more)


def listed(store, filters=accounts.NO_FILTERS, **how):
    with store.read() as db:
        return [row.account_id for row in accounts.page(db, filters, **how).accounts]


def walked(store, size, sort="value_at_risk", filters=accounts.NO_FILTERS):
    """All pages in turn, a connection each, as a client would."""
    ids, cursor = [], None
    for _ in range(20):
        with store.read() as db:
            page = accounts.page(db, filters, sort=sort, limit=size, cursor=cursor)
        ids += [row.account_id for row in page.accounts]
        cursor = page.cursor
        if cursor is None:
            return ids
    raise AssertionError(f"the walk does not end: {ids}")


def test_a_run_written_again_changes_nothing(store):
    sign = signs.Sign(account_id="a", rule="W1", at=DAY, severity="high", text="t", response={})
    event = outbox.Event(kind="tier", account_id="a", body={}, created_at=DAY, dedupe_key="a/1")
    first = write(store, scored("a", health_score=10.0), raised=[sign], events=[event], targets=["crm"])
    again = write(store, scored("a", health_score=99.0), scored("b"), raised=[sign], events=[event], targets=["crm"])
    assert (first.is_new, again.is_new, again.run) == (True, False, first.run)
    with store.read() as db:
        assert accounts.account(db, "a").score.health_score == 10.0
        assert len(signs.list_open(db)) == 1
        assert outbox.count(db) == {"pending": 1}


@pytest.mark.parametrize("other", [{"day": DAY + timedelta(1)}, {"model": "8"}, {"policy": "q"}, {"shadow": True}])
def test_another_moment_model_policy_or_shadow_is_another_run(store, other):
    write(store, scored("a"))
    assert write(store, scored("a"), **other).is_new


def test_a_run_that_breaks_midway_leaves_nothing(store):
    """The second event has no body that JSON can hold; scores and the first event were written before it."""
    good = outbox.Event(kind="k", account_id="a", body={}, created_at=DAY, dedupe_key="1")
    bad = replace(good, body={"x": object()}, dedupe_key="2")
    with pytest.raises(ServingError, match="refused"):
        write(store, scored("a"), events=[good, bad], targets=["crm"])
    with store.read() as db:
        assert runs.latest(db) is None
        assert [db.execute(select(table)).all() for table in (tables.scores, tables.outbox, tables.deliveries)] == [
            [],
            [],
            [],
        ]


def test_an_account_scored_twice_is_refused(store):
    with pytest.raises(ServingError, match="1 accounts occur twice"):
        write(store, scored("a"), scored("a"))


def test_a_shadow_is_stored_and_not_shown(store):
    write(store, scored("a", health_score=10.0))
    write(store, scored("a", health_score=90.0), day=DAY + timedelta(1), model="challenger", shadow=True)
    with store.read() as db:
        assert accounts.account(db, "a").score.health_score == 10.0
        assert [past.score.health_score for past in accounts.history(db, "a")] == [10.0]
        assert len(runs.list_runs(db)) == 1


NUMBERS = [f.name for f in fields(Score) if f.type == float | None]
doubles = st.none() | st.floats(allow_nan=False, allow_infinity=False)
days = count()


@SAME_STORE
@given(numbers=st.fixed_dictionaries(dict.fromkeys(NUMBERS, doubles)), inputs=st.lists(doubles, max_size=5))
def test_numbers_come_back_bit_equal(store, numbers, inputs):
    """`hex` tells doubles apart to the last bit; -0.0 in a column is the one number that becomes 0.0."""
    row = Scored(score=Score(account_id="a", **numbers), detail={"x": inputs}, features=inputs, baseline=None)
    write(store, row, day=DAY + timedelta(next(days)))
    with store.read() as db:
        kept = accounts.account(db, "a")
    assert {name: _hex(getattr(kept.score, name)) for name in NUMBERS} == {n: _hex(x) for n, x in numbers.items()}
    assert [_hex(value) for value in kept.features] == [_hex(value) for value in inputs]
    assert [_hex(value) for value in kept.detail["x"]] == [_hex(value) for value in inputs]
    assert kept.baseline is None


def _hex(value):
    """All bits of a double but the sign of zero."""
    return None if value is None else (value if value else 0.0).hex()


def test_nan_is_stored_as_null(store):
    nan = float("nan")
    row = Scored(score=Score(account_id="a", health_score=nan), detail={"x": [nan, 1.0]}, features=[nan, 2.0])
    write(store, row)
    with store.read() as db:
        kept = accounts.account(db, "a")
    assert (kept.score.health_score, kept.detail, kept.features) == (None, {"x": [None, 1.0]}, [None, 2.0])


def test_an_infinite_number_and_a_moment_with_a_zone_are_refused(store):
    with pytest.raises(ServingError, match="inf is no number to keep"):
        write(store, scored("a", log_odds=float("inf")))
    with pytest.raises(ServingError, match="inf is no number to keep"):
        write(store, Scored(score=Score(account_id="a"), features=[float("inf")]))
    with pytest.raises(ServingError, match="has a zone; give naive UTC"):
        write(store, scored("a"), day=datetime.fromisoformat("2026-01-01T00:00+01:00"))


BOOK = {
    "lost": {"value_at_risk": 50.0, "health_score": 20.0},
    "even-b": {"value_at_risk": 10.0, "health_score": 60.0},
    "even-a": {"value_at_risk": 10.0, "health_score": 60.0},
    "safe": {"value_at_risk": 0.0, "health_score": 95.0},
    "unvalued": {"value_at_risk": None, "health_score": 30.0},
    "unknown": {},
}
BY_RISK = ["lost", "even-a", "even-b", "safe", "unvalued", "unknown"]
BY_HEALTH = ["lost", "unvalued", "even-a", "even-b", "safe", "unknown"]


@pytest.mark.parametrize(("sort", "order"), [("value_at_risk", BY_RISK), ("health", BY_HEALTH)])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_pages_hold_every_account_once_in_a_total_order(store, sort, order, size):
    write(store, *(scored(name, **known) for name, known in BOOK.items()))
    assert walked(store, size, sort) == order


@SAME_STORE
@given(values=st.lists(st.none() | st.sampled_from([0.0, 1.0, 2.5]), max_size=12), size=st.integers(1, 5))
def test_a_walk_gives_every_account_once_however_values_tie(store, values, size):
    names = [f"n{i}" for i in range(len(values))]
    rows = [scored(name, value_at_risk=value) for name, value in zip(names, values, strict=True)]
    write(store, *rows, day=DAY + timedelta(next(days)))
    known = [(-value, name) for name, value in zip(names, values, strict=True) if value is not None]
    unknown = sorted(name for name, value in zip(names, values, strict=True) if value is None)
    assert walked(store, size) == [name for _, name in sorted(known)] + unknown


def test_a_cursor_stays_on_its_run(store):
    write(store, *(scored(name, **known) for name, known in BOOK.items()))
    with store.read() as db:
        first = accounts.page(db, limit=2)
    write(store, scored("new"), day=DAY + timedelta(1))
    assert listed(store, cursor=first.cursor) == BY_RISK[2:]
    assert listed(store) == ["new"]


@pytest.mark.parametrize("cursor", ["", "x", "Ã", "////", "MS52YWx1ZQ", "OTkudmFsdWVfYXRfcmlzay4x"])
def test_a_cursor_of_somebody_else_is_refused(store, cursor):
    write(store, scored("a"))
    with pytest.raises(ServingError, match=r"cursor: .* start again"):
        listed(store, cursor=cursor)


def test_a_cursor_of_another_sort_is_refused(store):
    write(store, scored("a"), scored("b"))
    with store.read() as db:
        cursor = accounts.page(db, limit=1, sort="health").cursor
    with pytest.raises(ServingError, match="sorted by health"):
        listed(store, cursor=cursor)


FILTERED = [
    scored("acme", tier="red", segment="small", owner="Eve", driver="value", renewal_at=datetime(2026, 3, 1)),
    scored("B_ta", tier="green", segment="large", owner="Bo", renewal_at=datetime(2026, 4, 1), name="100% Cotton"),
    scored("béta", tier="red", segment="large", risk_level="high"),
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        pytest.param({}, ["B_ta", "acme", "béta"], id="none"),
        pytest.param({"tier": "red"}, ["acme", "béta"], id="tier"),
        pytest.param({"tier": "red", "segment": "large"}, ["béta"], id="both must hold"),
        pytest.param({"owner": "Eve"}, ["acme"], id="owner"),
        pytest.param({"driver": "value"}, ["acme"], id="driver"),
        pytest.param({"risk_level": "high"}, ["béta"], id="risk level"),
        pytest.param({"renews_from": datetime(2026, 3, 1), "renews_before": datetime(2026, 4, 1)}, ["acme"], id="[ )"),
        pytest.param({"search": "ACM"}, ["acme"], id="whatever the case"),
        pytest.param({"search": "0% c"}, ["B_ta"], id="percent in the name is no wildcard"),
        pytest.param({"search": "b_t"}, ["B_ta"], id="underscore is no wildcard"),
        pytest.param({"search": "eve"}, ["acme"], id="owner is searched"),
        pytest.param({"search": "'; --"}, [], id="no SQL"),
    ],
)
def test_a_list_is_filtered(store, filters, found):
    write(store, *FILTERED)
    assert sorted(listed(store, Filters(**filters))) == found
    with store.read() as db:
        assert accounts.count(db, Filters(**filters)) == len(found)


def test_an_empty_store_has_no_page(store):
    with store.read() as db:
        assert accounts.page(db) is None
        assert accounts.account(db, "a") is None
        assert (runs.changes(db), runs.before(db, DAY), accounts.count(db)) == ([], {}, 0)


def test_history_is_told_oldest_first_and_by_the_last_run_of_each_day(store):
    write(store, scored("a", health_score=1.0))
    write(store, scored("a", health_score=2.0), policy="corrected")
    write(store, scored("a", health_score=3.0), day=DAY + timedelta(7))
    write(store, scored("a", health_score=9.0), day=DAY - timedelta(7))
    with store.read() as db:
        past = accounts.history(db, "a")
        assert [(p.as_of.day, p.score.health_score) for p in past] == [(25, 9.0), (1, 2.0), (8, 3.0)]
        assert [p.score.health_score for p in accounts.history(db, "a", since=DAY)] == [2.0, 3.0]
        assert accounts.account(db, "a").score.health_score == 3.0
        assert runs.before(db, DAY + timedelta(7))["a"].score.health_score == 2.0


def test_the_book_by_tier_over_time(store):
    red, green = {"tier": "red", "yearly_value": 10.0}, {"tier": "green"}
    write(store, scored("a", **red, value_at_risk=5.0), scored("b", **red), scored("c", **green))
    write(store, scored("a", **green), day=DAY + timedelta(7))
    with store.read() as db:
        told = [(t.as_of.day, t.tier, t.accounts, t.yearly_value, t.value_at_risk) for t in runs.by_tier(db)]
    assert told == [(1, "green", 1, None, None), (1, "red", 2, 20.0, 5.0), (8, "green", 1, None, None)]


def test_changes_are_other_tiers_new_and_gone_accounts(store):
    write(
        store, scored("same", tier="red"), scored("fell", tier="green", health_score=80.0), scored("gone", tier="red")
    )
    rows = [scored("same", tier="red", health_score=1.0), scored("fell", tier="red", value_at_risk=9.0), scored("new")]
    why = replace(rows[1], change={"inputs": -13.9})
    write(store, rows[0], why, rows[2], day=DAY + timedelta(7))
    with store.read() as db:
        told = {c.account_id: (c.tier_before, c.tier, c.health_before, c.change) for c in runs.changes(db)}
        assert runs.changes(db, since=DAY - timedelta(1)) == []
    assert told == {
        "fell": ("green", "red", 80.0, {"inputs": -13.9}),
        "new": (None, None, None, None),
        "gone": ("red", None, None, None),
    }


def test_a_model_version_is_kept_with_its_words(store):
    model = runs.ModelVersion(version="7", digest="d", trained_at=DAY, horizon_days=28, about={"base_rate": 0.1})
    with store.write() as db:
        runs.put_model(db, model)
        runs.put_model(db, replace(model, digest="other"))
    with store.read() as db:
        assert (runs.model(db, "7"), runs.model(db, "8")) == (model, None)


def test_a_scored_book_becomes_rows(store, bundle, rows):
    names = [spec.name for spec in bundle.features]
    n = 50
    features = pa.table(
        {"account_id": [f"a{i}" for i in range(n)], "snapshot_at": pa.array([DAY] * n, pa.timestamp("us"))}
        | {name: pa.array(rows[:n, j], from_pandas=True) for j, name in enumerate(names)}
    )
    profile = pa.table({"segment": ["s"] * n, "owner": pa.nulls(n, pa.string()), "inactive": [False] * n})
    newest = {"usage": DAY}
    told = {"data_as_of": newest, "model_version": "7", "scored_at": DAY}
    book = score_book(bundle, features, baseline=rows[50 : 50 + n], profile=profile, **told)
    book = book.append_column("days_to_renewal", pa.array([30.0] * n))
    book = book.append_column("features", pa.array([[1.5, None]] * n))
    before = {"a0": scored("a0", tier=book["tier"][0].as_py(), health_score=3.0, changed_at=DAY - timedelta(9))}
    made = rows_of(book, before)
    write(store, *made)
    with store.read() as db:
        kept = accounts.many(db, book["account_id"].to_pylist())
    assert kept == {row.account_id: row for row in made}
    assert made[0].score.previous_health == 3.0
    assert (made[0].score.changed_at, made[1].score.changed_at) == (DAY - timedelta(9), DAY)
    for row, held in zip(made, book.to_pylist(), strict=True):
        score, parts = row.score, row.detail["components"]
        assert score.health_score == held["health_score"]
        assert sum(part["points"] for part in parts.values() if "points" in part) == pytest.approx(score.health_score)
        moved = sum(driver["log_odds"] for driver in row.detail["drivers"])
        assert score.intercept + moved == pytest.approx(score.log_odds)
        assert [score.top_driver_1, score.top_driver_2, score.top_driver_3] == [held[f"reason_{i}"] for i in (1, 2, 3)]
        assert (score.renewal_at, row.features) == (DAY + timedelta(30), [1.5, None])
    assert made[0].detail["components"]["usage"]["data_as_of"] == "2026-01-01T00:00:00"


def test_a_large_book_is_found_by_index(tmp_path):
    """No part of a look-up reads a whole table or sorts."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    write(store, *(scored(f"a{i}", value_at_risk=float(i % 7), tier="red") for i in range(3000)))
    asked = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    listed(store, Filters(tier="red"))
    listed(store, Filters(search="9"), sort="health")
    with store.read() as db:
        accounts.account(db, "a5")
        accounts.history(db, "a5")
        plans = [
            str(row) for text, given in asked[:] for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)
        ]
    on_scores = [plan for plan in plans if "score" in plan]
    assert len(on_scores) >= 5
    assert [plan for plan in on_scores if "USING INDEX" not in plan] == []
    assert [plan for plan in plans if "TEMP B-TREE" in plan and "score" in plan] == []
    store.close()
