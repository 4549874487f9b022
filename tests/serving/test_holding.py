"""The holdout in a run: drawn once, marked on the plays, nobody alerted, released with a reason."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from retention import house
from serving.assess import Assessed
from serving.errors import ServingError
from serving.holding import Holding, hold_out, why_held, withheld
from serving.keeping import Keeping
from serving.policy import AlertRun
from serving.policy.news import Alert
from serving.store import accounts, holdouts
from serving.store.audit import recent
from serving.store.runs import ModelVersion, NewRun
from serving.store.score_rows import placed
from serving.store.scores import Score, Scored

DAY = datetime(2026, 1, 5)
WEEK = timedelta(days=7)
ALL = house.load().programme.model_copy(update={"holdout_share": 0.999999, "never_hold_out": ("tier:red strategic",)})
NONE = ALL.model_copy(update={"holdout_share": 0.0})
SEED = "00" * 16


def row(account, level="high", *, tier="red", **facts):
    action = {"key": f"{account}:rescue", "account_id": account, "play": "rescue", "title": "Rescue", "owner": "csm"}
    action |= {"due_in_hours": 24, "due_at": f"{DAY:%Y-%m-%dT%H:%M}", "success_metric": "save rate", "because": ["red"]}
    score = Score(account_id=account, risk_level=level, tier=tier)
    return Scored(score=score, detail={"actions": [action], "facts": facts})


def alert(account):
    return Alert(
        key=f"{account}:tier:red",
        kind="tier_down",
        account_id=account,
        at=DAY,
        severity="high",
        text="Health is At-risk",
        play="rescue",
        owner="csm",
        due_in_hours=24,
        due_at=DAY + timedelta(days=1),
        is_urgent=True,
        value_at_risk=None,
        attributes={},
        previous_attributes={},
    )


def held_out(*rows, before=(), rules=ALL, day=DAY):
    return hold_out(rows, Holding(rules, SEED, {one.account_id: one for one in before}), day)


def told(held, *accounts):
    """Whom alerts about these accounts still reach, and what is said of that."""
    alerts = AlertRun(tuple(map(alert, accounts)), (), (), f"alerts sent: {len(accounts)}")
    left = withheld(alerts, held.accounts)
    return [one.account_id for one in left.sent], left.told


def test_a_held_out_account_keeps_its_plays_marked_with_the_reason_and_nobody_is_alerted():
    held = held_out(row("a"), row("b"))
    assert [(one.account_id, one.arm, one.share) for one in held.drawn] == [
        ("a", "holdout", 0.999999),
        ("b", "holdout", 0.999999),
    ]
    for found in held.rows:
        assert [action["held_out"] for action in found.detail["actions"]] == [True]
        assert "drawn on 2026-01-05 to be left alone" in why_held(found)
    assert told(held, "a", "b") == ([], "alerts sent: 2; 2 of them withheld: their accounts are held out")


def test_accounts_of_low_risk_are_no_candidates_and_alerts_about_nobody_stay():
    held = held_out(row("a", "low"), row("b", None))
    assert held.drawn == ()
    assert told(held, "a", "b") == (["a", "b"], "alerts sent: 2")
    assert told(held_out(row("a")), None)[0] == [None]


def test_a_later_change_of_the_share_redraws_nobody():
    first = held_out(row("a"), row("b")).drawn
    later = held_out(row("a"), row("b"), row("c"), before=first, rules=NONE, day=DAY + WEEK)
    assert [(one.account_id, one.arm) for one in later.drawn] == [("c", "treated")]
    assert told(later, "a", "b", "c")[0] == ["c"]


def test_a_red_strategic_account_is_neither_drawn_nor_held_back_while_it_is_one():
    strategic = row("a", strategic=1.0)
    held = held_out(strategic, row("b", tier="yellow", strategic=1.0))
    assert [one.account_id for one in held.drawn] == ["b"]
    later = held_out(strategic, before=held_out(row("a")).drawn, day=DAY + WEEK)
    assert told(later, "a")[0] == ["a"]
    assert why_held(later.rows[0]) is None


def test_the_seed_is_made_once_and_draws_stay(store):
    with store.write() as db:
        seed = holdouts.seed(db, at=DAY)
    one = holdouts.Drawn(account_id="a", arm="holdout", drawn_at=DAY, share=0.1)
    with store.write() as db:
        assert holdouts.seed(db, at=DAY + WEEK) == seed
        assert holdouts.draw(db, [one]) == 1
        assert holdouts.draw(db, [replace(one, arm="treated", share=0.9)]) == 0
    with store.read() as db:
        assert holdouts.all_drawn(db) == {"a": one}
    assert len(bytes.fromhex(seed)) == 16


def test_a_release_needs_a_held_out_account_and_a_reason_and_is_in_the_audit_log(store):
    with store.write() as db:
        holdouts.draw(db, [holdouts.Drawn(account_id="a", arm="holdout", drawn_at=DAY, share=0.1)])
    for account, note, problem in (("b", "asked", "not held out"), ("a", " ", "say why")):
        with pytest.raises(ServingError, match=problem), store.write() as db:
            holdouts.release(db, account, at=DAY, by="me", note=note)
    with store.write() as db:
        holdouts.release(db, "a", at=DAY + WEEK, by="me", note="the board asked")
    with store.read() as db:
        found = holdouts.get(db, "a")
        assert [entry.action for entry in recent(db)] == ["release"]
    assert (found.arm, found.is_held, found.released_by) == ("holdout", False, "me")
    held = held_out(row("a"), before=[found], day=DAY + 2 * WEEK)
    assert (told(held, "a")[0], held.drawn) == (["a"], ())


def keep(store, held, model, run):
    with store.write() as db:
        keeping = Keeping(db, model, run, [placed(one.score) for one in held.rows], {})
        keeping.add(keeping.bound(Assessed([], {}, held.rows, []), held.drawn))


def test_draws_are_kept_with_their_run_and_not_with_a_shadow(store):
    held = held_out(row("a"))
    model = ModelVersion(version="1", digest="d", about={"features": []})
    run = NewRun(as_of=DAY, model_version="1", policy_digest="p", scored_at=DAY, is_shadow=True)
    keep(store, held, model, run)
    with store.read() as db:
        assert holdouts.all_drawn(db) == {}
    keep(store, held, model, replace(run, is_shadow=False))
    with store.read() as db:
        assert list(holdouts.all_drawn(db)) == ["a"]
        kept = accounts.account(db, "a")
    assert why_held(kept)
