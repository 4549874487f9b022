"""What pages ask of the store, on each database."""

from datetime import datetime, timedelta

import pytest

from serving.pages.book import facets, ranges
from serving.pages.moves import moves
from serving.pages.rival import rival
from serving.store import runs
from serving.store.runs import ModelVersion, NewRun
from serving.store.scores import Score, Scored

DAY = datetime(2026, 1, 5)
TIERS = {"g": ("green", 80.0), "y": ("yellow", 60.0), "r": ("red", 30.0), "-": (None, None)}


def scored(account_id, tier, at_risk=1.0, features=None, **known):
    name, health = TIERS[tier]
    known |= {"tier": name, "health_score": health, "churn_probability": None if health is None else 1 - health / 100}
    score = Score(account_id=account_id, value_at_risk=at_risk, **known)
    return Scored(score=score, features=features)


def write(store, *rows, weeks=0, model="1", shadow=False):
    run = NewRun(
        as_of=DAY + timedelta(weeks=weeks), model_version=model, policy_digest="p", scored_at=DAY, is_shadow=shadow
    )
    with store.write() as db:
        return runs.write_run(db, run, rows).run


def test_moves_are_counted_and_told_falls_first(store):
    """Six accounts of then, one of them gone; one new; the two that fell come first, most value at risk first."""
    past = write(store, *(scored(name, tier) for name, tier in zip("abcdef", "ggyry-", strict=True)))
    now = [("a", "y", 1.0), ("b", "r", 5.0), ("c", "y", 9.0), ("d", "g", 3.0), ("f", "y", 8.0), ("n", "r", 9.0)]
    run = write(store, *(scored(*one) for one in now), weeks=1)
    with store.read() as db:
        found = moves(db, run, past)
    assert (found.fell, found.rose, found.came, found.went) == (2, 1, 1, 1)
    assert [(one.account_id, one.points) for one in found.told] == [("b", -50), ("a", -20), ("f", None), ("d", 50)]


def test_facets_are_what_occurs(store):
    run = write(
        store,
        scored("a", "g", owner="zoe", segment="smb"),
        scored("b", "r", owner="al", driver="price"),
        scored("c", "r"),
    )
    with store.read() as db:
        found = facets(db, run.id)
    assert (found.owner, found.segment, found.driver) == (("al", "zoe"), ("smb",), ("price",))


def test_ranges_are_percentiles_of_what_is_known(store):
    rows = [scored(f"a{i:03d}", "g", features=[float(i), None if i % 2 else 7.0, None]) for i in range(101)]
    run = write(store, *rows, scored("no inputs", "g"))
    with store.read() as db:
        found = ranges(db, run.id, ("x", "y", "z"))
    assert found == {"x": (pytest.approx(1.0), pytest.approx(99.0)), "y": (7.0, 7.0)}


def test_a_challenger_is_compared_on_the_same_accounts_and_day(store):
    with store.write() as db:
        runs.put_model(db, ModelVersion(version="2", digest="d", about={}))
    run = write(store, scored("a", "g"), scored("b", "y"), scored("c", "r"))
    with store.read() as db:
        assert rival(db, run) is None
    write(store, scored("a", "g"), scored("b", "r"), scored("new", "r"), model="2", shadow=True)
    with store.read() as db:
        found = rival(db, run)
    assert (found.both, found.moved, found.model.version) == (2, 1, "2")
    assert found.apart == pytest.approx(0.15)
    assert [pair.account_id for pair in found.farthest] == ["b"]
