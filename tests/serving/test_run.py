"""A day's book in the store: everything of a run, once, with what follows from it."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from retention import house
from serving.assess import assess
from serving.before import Before
from serving.book import ScoredDay, score_book
from serving.holding import Holding
from serving.policy import disagreements, load
from serving.policy.document import Disagreement
from serving.run import keep_scored
from serving.store import accounts, open_store, runs, signs
from serving.store.metadata import metadata
from serving.store.runs import NewRun
from serving.store.tables import alerts as alert_table
from serving.store.tables import run_tiers, score_details, scores
from serving.store.tables import runs as runs_table
from serving.store.tables import signs as sign_table

FIRST = datetime(2026, 1, 5)
WEEK = timedelta(days=7)
N = 60
NOBODY = Holding(house.load().programme.model_copy(update={"holdout_share": 0.0}), "00" * 16, {})


def scored_day(bundle, rows, day):
    names = [spec.name for spec in bundle.features]
    ids = [f"a{i:03d}" for i in range(len(rows))]
    features = pa.table(
        {
            "account_id": ids,
            "snapshot_at": pa.array([day] * len(rows), pa.timestamp("us")),
            **{name: pa.array(rows[:, j], from_pandas=True) for j, name in enumerate(names)},
        }
    )
    profile = pa.table(
        {
            "segment": ["one"] * len(rows),
            "owner": ["csm"] * len(rows),
            "inactive": pa.array([None] * len(rows), pa.bool_()),
        }
    )
    book = score_book(
        bundle,
        features,
        baseline=rows,
        profile=profile,
        data_as_of=dict.fromkeys(bundle.components, day - timedelta(days=1)),
        model_version="1",
        scored_at=day,
    )
    values = features.drop_columns("snapshot_at")
    return ScoredDay(book, values, values)


@pytest.fixture
def kept(bundle, rows, tmp_path):
    """Keep the book of one week after the other, of rows that a test may change; the store and what was written."""
    policy, store = load(), open_store(f"sqlite:///{tmp_path / 'store.db'}")
    ready = replace(bundle, tiers=policy.bands)

    def keep(week, given=rows[:N], version="1", is_shadow=False):
        day = FIRST + week * WEEK
        scored = scored_day(ready, given, day)
        run = NewRun(as_of=day, model_version=version, policy_digest=policy.digest, scored_at=day, is_shadow=is_shadow)
        return keep_scored(store, policy, ready, scored, run, business_model="saas", drawing=NOBODY, targets={})

    keep.store = store
    yield keep
    store.close()


def count(store, table):
    with store.read() as db:
        return len(db.execute(table.select()).all())


def test_the_same_day_model_and_policy_again_change_nothing(kept):
    first, again = kept(0), kept(0)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.run == again.run
    with kept.store.read() as db:
        assert accounts.count(db) == N
        assert len(runs.list_runs(db)) == 1
    with kept.store.read() as db:
        told = [row.key for row in db.execute(alert_table.select())]
    assert told
    assert len(told) == len(set(told))


def test_a_row_holds_what_it_takes_to_add_up(kept):
    kept(0)
    with kept.store.read() as db:
        for row in accounts.many(db, [f"a{i:03d}" for i in range(N)]).values():
            points = [part["points"] for part in row.detail["components"].values() if part.get("points") is not None]
            assert sum(points) == pytest.approx(row.score.health_score)
            moved = sum(driver["log_odds"] for driver in row.detail["drivers"])
            assert row.score.intercept + moved == pytest.approx(row.score.log_odds, abs=1e-9)
            assert 1 / (1 + np.exp(-row.score.log_odds)) == pytest.approx(row.score.churn_probability)
            assert row.detail["actions"]
            assert row.change is None


def test_a_second_run_tells_the_change_since_the_first(kept, rows):
    kept(0)
    worse = rows[:N].copy()
    worse[:, 0] = 0
    kept(1, worse)
    with kept.store.read() as db:
        found = accounts.many(db, [f"a{i:03d}" for i in range(N)]).values()
    for row in found:
        assert row.score.previous_health is not None
        moved = row.score.health_score - row.score.previous_health
        assert row.change["points"] == pytest.approx(moved)
        assert row.change["inputs"] == pytest.approx(moved, abs=1e-9)


@pytest.mark.system("W14")
def test_a_warning_that_holds_is_raised_once_and_closed_when_it_ends(kept, rows):
    silent, busy = rows[:N].copy(), rows[:N].copy()
    silent[:, :3], busy[:, :3] = (0, 0, 40), (20, 60, 0)
    kept(0, silent)
    with kept.store.read() as db:
        first = {(sign.account_id, sign.rule): sign for sign in signs.list_open(db)}
    kept(1, silent)
    with kept.store.read() as db:
        second = {(sign.account_id, sign.rule): sign for sign in signs.list_open(db)}
    assert any(rule == "W13" for _, rule in first)
    assert all(second[what].due_at == first[what].due_at for what in first.keys() & second.keys())
    kept(2, busy)
    with kept.store.read() as db:
        assert not [sign for sign in signs.list_open(db) if sign.rule == "W13"]


def test_a_row_says_whether_health_and_probability_disagree(bundle, rows):
    shares = Disagreement(riskiest_share=0.7, safest_share=0.7)
    policy = load().model_copy(update={"disagreement": shares})
    ready = replace(bundle, tiers=policy.bands)
    found = assess(policy, ready, scored_day(ready, rows[:N], FIRST), Before(), business_model="saas")
    told = {row.account_id: row.score.disagrees for row in found.rows if row.score.disagrees}
    assert told == disagreements(policy, found.situations)
    assert set(told.values()) == {"hidden_risk", "overstated_risk"}


def test_a_day_that_is_filled_in_later_tells_nobody(kept, rows):
    kept(2)
    told, open_before = count(kept.store, alert_table), count(kept.store, sign_table)
    assert kept(0, rows[N : 2 * N]).is_new
    assert (count(kept.store, alert_table), count(kept.store, sign_table)) == (told, open_before)


def test_a_shadow_run_is_kept_and_not_shown_and_tells_nobody(kept):
    kept(0)
    told = count(kept.store, alert_table)
    kept(1, version="2", is_shadow=True)
    with kept.store.read() as db:
        assert runs.latest(db).model_version == "1"
    assert count(kept.store, alert_table) == told


def test_a_book_written_in_parts_is_the_book_written_at_once(kept, rows, monkeypatch):
    changed = rows[N // 2 : N // 2 + N]
    kept(0)
    kept(1, changed)
    with kept.store.write() as db:
        whole = everything(db)
        for table in reversed(metadata.sorted_tables):
            db.execute(table.delete())
    monkeypatch.setattr("serving.run.PART", 7)
    kept(0)
    kept(1, changed)
    with kept.store.read() as db:
        assert everything(db) == whole


def everything(db):
    names = (runs_table, run_tiers, scores, score_details, sign_table, alert_table)
    return [sorted(map(repr, db.execute(select(*(c for c in t.c if c.name not in ("id", "run_id")))))) for t in names]
