"""Plays and people judged: scorecards, experiments, CSMs, cases to share, accounts by what a play changes."""

from collections import Counter
from datetime import datetime

import numpy as np
import pytest

from retention.effects.chapter import chapter
from retention.effects.export import QUASI, shared_cases
from retention.effects.measured import measure
from retention.effects.preventable import chances, reduction
from retention.effects.scorecards import Card, suggestion, verdict
from retention.figures import Figure

DAY = datetime(2024, 3, 1)


def card(gain=(None, None), effect=None, treated=50, held=50, **more):
    low, high = gain
    middle = None if low is None else (low + high) / 2
    return Card(
        play="call",
        treated=treated,
        held=held,
        save_rate=Figure(0.8, treated),
        effect=effect or Figure(middle, treated, low, high),
        gain=Figure(middle, treated, low, high),
        cost=100.0,
        driver="price",
        first_at=DAY,
        last_at=DAY,
        together=0.0,
        **more,
    )


@pytest.mark.system("K2", "G7")
@pytest.mark.parametrize(
    ("one", "suggested", "kept"),
    [
        (card((0.1, 0.3)), "promote", "keep"),
        (card((-0.3, -0.1)), "retire", "retire"),
        (card((-0.1, 0.3)), "refine", "go on"),
        (card((-50.0, 30.0), Figure(0.1, 50, 0.05, 0.15)), "refine", "keep"),
        (card((-50.0, -30.0), Figure(0.1, 50, 0.05, 0.15)), "retire", "retire"),
        (card((0.1, 0.3), held=19), "wait", "go on"),
        (card((0.1, 0.3), treated=19), "wait", "go on"),
        (card(held=0), "wait", "go on"),
        (card(), "wait", "go on"),
    ],
    ids=[
        "gains",
        "loses",
        "open",
        "works, may not pay",
        "works, does not pay",
        "few held",
        "few treated",
        "no holdout",
        "no difference in what was done",
    ],
)
def test_a_play_is_promoted_or_retired_by_the_whole_interval_of_its_gain(one, suggested, kept):
    assert suggestion(one, 20)[0] == suggested
    assert verdict(one, 20) == kept


@pytest.mark.system("K2", "G7")
def test_scorecards_and_the_log_of_experiments_from_tables(programme, build):
    plays, terms = [], []
    for what, at, helps in (("visit", "2024-02-01", True), ("mail", "2024-01-01", False)):
        for i in range(120):
            account, held = f"{what}{i:03d}", i >= 60
            cost = {"cost": 0.0 if held else 50.0}
            plays.append(build.play(account, at, what, arm="holdout" if held else "treated", driver="price", **cost))
            lost = i % 2 == 0 if held or not helps else i % 20 == 0
            terms.append(build.term(account, build.day(20, at) if lost else None, mrr=100.0))
    plays.append(build.play("visit001", "2024-02-05", "mail"))
    found = chapter(programme(plays, terms))
    cards = {row["play"]: row for row in found.block("scorecards").as_dicts()}
    assert cards["visit"]["effect"].value == pytest.approx(0.45)
    assert cards["mail"]["effect"].value == pytest.approx(0.0)
    assert cards["visit"]["cost"] == pytest.approx((60 * 50 + 100) / 60)
    assert cards["visit"]["gain"].value == pytest.approx(0.45 * 900 - 3100 / 60)
    assert (cards["visit"]["suggestion"], cards["mail"]["suggestion"]) == ("promote", "refine")
    log = found.block("experiments").as_dicts()
    assert [(row["play"], f"{row['first_at']:%m-%d}", row["verdict"]) for row in log] == [
        ("mail", "01-01", "go on"),
        ("visit", "02-01", "keep"),
    ]
    assert log[1]["together"] == pytest.approx(1 / 60)
    assert log[1]["alone"] is True


@pytest.mark.system("R19", "R8")
def test_a_csm_with_a_hard_book_is_not_worse_for_it(programme, build):
    """ann's accounts have a chance of 0.5 to stay and 60 % do; bob's 0.9 and 80 % do."""
    plays, terms, scores, accounts = [], [], [], []
    for owner, stays, lost in (("ann", 0.5, 8), ("bob", 0.9, 4)):
        for i in range(20):
            account = f"{owner}{i:02d}"
            accounts.append({"account_id": account, "owner": owner, "started_at": "2023-01-01"})
            plays.append(build.play(account, owner=owner))
            terms.append(build.term(account, build.day(10) if i < lost else None))
            score = {"account_id": account, "as_of": build.day(-1), "owner": owner}
            scores.append(score | {"churn_probability": 1 - stays ** (1 / 3)})
    kept = {"score_history": scores}
    toml = '[churn]\nkind = "contract"\nhorizon_days = 28'
    found = chapter(programme(plays, terms, kept=kept, accounts=accounts, toml=toml)).block("csm_efficiency")
    rows = {row["owner"]: row for row in found.as_dicts()}
    assert (rows["ann"]["save_rate"].value, rows["bob"]["save_rate"].value) == (0.6, 0.8)
    assert rows["ann"]["saved_more"].value == pytest.approx(0.1)
    assert rows["bob"]["saved_more"].value == pytest.approx(-0.1)
    assert rows["ann"]["better"].value == pytest.approx(0.6 - 0.5 ** (1 / 3))
    assert (rows["ann"]["accounts"], rows["ann"]["kept"].value) == (12, 0.6)


@pytest.mark.system("K3")
def test_cases_to_share_name_nobody_and_stand_out_nowhere(programme, build):
    plays, terms, accounts = [], [], []
    for i in range(60):
        account = f"secret-{i:02d}"
        segment = "lone" if i == 0 else "big" if i < 20 else "small"
        accounts.append({"account_id": account, "owner": "ann-secret", "segment": segment, "started_at": "2023-01-01"})
        plays.append(build.play(account, "2024-01-01" if i < 57 else "2024-04-10", owner="ann-secret"))
        terms.append(build.term(account, mrr=100.0 + i))
    rows, left_out = shared_cases(programme(plays, terms, accounts=accounts))
    assert len(rows) + left_out == 60
    assert "secret" not in str(rows)
    assert not {"account_id", "owner", "begun_at", "yearly_cents"} & {name for row in rows for name in row}
    counts = Counter(tuple(row[name] for name in QUASI) for row in rows)
    assert min(counts.values()) >= 5
    assert {row["segment"] for row in rows} == {"big", "small"}
    assert left_out == 4


@pytest.mark.system("G10")
def test_accounts_rank_by_what_a_play_changes_not_by_risk(arms):
    def score(account, probability, value):
        return {"account_id": account, "as_of": "2024-12-30", "churn_probability": probability, "yearly_value": value}

    scores = [
        score("lost anyway", 0.99, 1000.0),
        score("open", 0.3, 1000.0),
        score("open and large", 0.2, 9000.0),
        score("safe", 0.01, 9000.0),
        score("unknown worth", 0.5, None),
    ]
    rules = "[money]\ngross_margin = 1.0"
    toml = '[churn]\nkind = "contract"\nhorizon_days = 84'
    inputs = arms(100, 80, 100, 60, kept={"score_history": scores}, rules=rules, toml=toml)
    found = {one.account_id: one for one in chances(inputs, measure(inputs))}
    assert [name for name in found if name != "unknown worth"] == ["open and large", "open", "safe", "lost anyway"]
    shift = np.log(0.8 / 0.2) - np.log(0.6 / 0.4)
    gone = 0.3 - 1 / (1 + np.exp(np.log(0.7 / 0.3) + shift))
    assert found["open"].effect.value == pytest.approx(gone)
    assert found["open"].preventable.value == pytest.approx(gone * 1000 - 100)
    assert found["open"].preventable.low < found["open"].preventable.value < found["open"].preventable.high
    assert found["unknown worth"].preventable.value is None
    block = chapter(inputs).block("preventable").as_dicts()
    assert [(row["account_id"], row["by_risk"]) for row in block][:2] == [("open and large", 4), ("open", 3)]


def test_a_play_takes_most_off_where_the_outcome_is_open():
    taken = [reduction(loss, 1.0) for loss in (0.001, 0.2, 0.62, 0.999)]
    assert max(taken) == taken[2]
    assert all(0 < one < loss for one, loss in zip(taken, (0.001, 0.2, 0.62, 0.999), strict=True))
    assert reduction(0.5, 0.0) == pytest.approx(0.0)
    assert reduction(0.5, -1.0) < 0
