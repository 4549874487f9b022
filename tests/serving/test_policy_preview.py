"""`policy check`: what the rules would catch, on a hand-made book and on a simulated company's."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from features import snapshots, table
from features.catalogue import declare, discover
from features.config import load as read_settings
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write
from serving import policy
from serving.book import score_book
from serving.cold_start import cold_start
from serving.policy import Previous, Situation, load, preview, warning_signs

POLICY = load()
NOW = datetime(2026, 3, 2)
DAY = timedelta(days=1)


def account(name, health=80.0, tier="green", at_risk=10.0, **features):
    return Situation(
        account_id=name, as_of=NOW, health=health, tier=tier, value_at_risk=at_risk, features=features,
        previous=Previous(as_of=NOW - 2 * DAY, health=health, tier=tier),
    )  # fmt: skip


def by_rule(found):
    return {row.rule: row for row in found.rows}


def test_rows_say_accounts_share_and_value():
    book = [account("a", complaints_84d=1.0), account("b", complaints_84d=0.0), account("c", 40.0, "red")]
    rows = by_rule(preview(POLICY, book))
    w5 = rows["warnings.W5"]
    assert (w5.accounts, w5.share, w5.value_at_risk) == (1, pytest.approx(1 / 3), 10.0)
    assert (rows["tiers.red"].accounts, rows["risk.medium"].accounts, rows["tiers.yellow"].value_at_risk) == (
        1,
        1,
        None,
    )


def test_a_rule_without_its_features_does_not_apply_to_the_company():
    rows = by_rule(preview(POLICY, [account("a", tickets_28d=1.0, tickets_84d=1.0)]))
    assert rows["warnings.W7"].not_applicable == "this company has no ticket_spike_28d"
    assert rows["warnings.W9"].not_applicable == "this company has no usage_against_baseline_28d, events_28d"
    assert rows["warnings.W13"].not_applicable is None, "one of its numbers, `inactive`, is always there"


def test_one_of_any_is_enough_to_apply():
    assert by_rule(preview(POLICY, [account("a", review_last=5.0)]))["warnings.W5"].not_applicable is None


def test_alerts_a_day_against_the_budget():
    book = [account(f"a{i}", complaints_84d=1.0) for i in range(60)]
    found = preview(POLICY, book)
    assert (found.alerts_in_this_run, found.alerts_a_day, found.daily_budget) == (60, 30.0, 20)
    assert "[alerts] about 30 alerts a day are expected and daily_budget is 20; tighten rules first" in found.problems


def test_a_first_run_says_nothing_about_a_usual_day():
    first = Situation(account_id="a", as_of=NOW, features={"complaints_84d": 1.0})
    assert preview(POLICY, [first]).alerts_a_day is None


def test_problems_are_named():
    book = [account(f"a{i}", complaints_84d=1.0, surveys_unanswered=3.0) for i in range(6)]
    idle = POLICY.plays["grow"].model_copy(update={"id": "idle"})
    found = preview(POLICY.model_copy(update={"plays": POLICY.plays | {"idle": idle}}), book)
    told = "\n".join(found.problems)
    assert "[warnings.W5] catches 100 % of the book" in told
    assert "[warnings.W5] and [warnings.W6] catch nearly the same accounts (6 in common)" in told
    assert "[tiers.red] caught nobody" in told
    assert "[plays.idle] is started by nothing" in told
    assert "[warnings.W7] caught nobody" not in told, "it does not apply, which its row says"


def test_an_empty_book():
    found = preview(POLICY, [])
    assert (found.alerts_in_this_run, {row.accounts for row in found.rows}) == (0, {0})


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A small simulated company at one day: its scored book, its features and those of 28 days before."""
    home = tmp_path_factory.mktemp("company")
    settings = read_settings(write(simulate(accounts=120, months=8, seed=3), home))
    day = datetime(2023, 7, 30)
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        snapshots.spine_at(settings, engine, staged, day)
        catalogue = declare(staged, discover(engine, staged, known_by=day, max_events=10))
        features = table.build(engine, staged, catalogue)
        engine.create("before", f"SELECT account_id, {engine.moment(day - 28 * DAY)} AS snapshot_at FROM spine")
        usual = table.build(engine, staged, catalogue, "before")
        bundle = cold_start(settings, engine, staged)
    n = len(features)
    nobody = pa.array([None] * n, pa.string())
    profile = pa.table({"segment": nobody, "owner": nobody, "inactive": pa.array([False] * n)})
    book = score_book(
        bundle,
        features,
        baseline=np.full((n, len(bundle.features)), np.nan),
        profile=profile,
        data_as_of={"usage": day - 3 * DAY},
        model_version=None,
        scored_at=day,
    )
    return book, features, usual


@pytest.fixture(scope="module")
def company(scored):
    """The situations of the simulated company, and its feature table."""
    book, features, usual = scored
    return policy.situations(POLICY, book, features=features, baseline=usual), features


@pytest.mark.system("W17")
def test_every_shipped_rule_applies_to_a_company_with_all_sources(company):
    rows = by_rule(preview(POLICY, company[0]))
    assert {name: row.not_applicable for name, row in rows.items() if row.not_applicable} == {}


@pytest.mark.system("W5", "W7", "W9", "W10", "W14", "W15")
def test_rules_catch_on_a_simulated_book_what_a_count_over_its_columns_says(company):
    situations, features = company
    rows = by_rule(preview(POLICY, situations))
    x = {name: features[name].to_numpy() for name in features.column_names}
    expected = {
        "W5": (x["complaints_84d"] >= 1) | (x["review_last"] <= 2),
        "W7": (x["ticket_spike_28d"] >= 2) & (x["tickets_28d"] >= 3),
        "W9": (x["tickets_84d"] == 0) & ((x["usage_against_baseline_28d"] < 0.5) | (x["events_28d"] == 0)),
        "W10": x["champion_left"] > 0,
        "W14": (x["nps_last"] <= 6) & (x["days_since_last_answer"] <= 28),
        "W15": x["escalations_84d"] >= 2,
    }
    assert {name: rows[f"warnings.{name}"].accounts for name in expected} == {
        name: int(caught.sum()) for name, caught in expected.items()
    }
    assert sum(row.accounts for name, row in rows.items() if name.startswith("tiers.")) == len(situations)


def test_a_situation_carries_what_the_book_says(company):
    situations, features = company
    assert [s.account_id for s in situations] == features["account_id"].to_pylist()
    worth = np.array([s.yearly_value for s in situations], dtype=float)
    assert [s.value_rank for s in situations] == [pytest.approx((worth < each).sum() / len(worth)) for each in worth]
    assert {s.data_as_of["usage"] for s in situations} == {datetime(2023, 7, 27)}
    assert not any(v is not None and np.isnan(v) for s in situations for v in s.features.values())


def test_not_a_number_is_unknown(scored):
    book, features, _ = scored
    usual = pa.table({"account_id": features["account_id"], "events_28d": [float("nan")] * len(features)})
    found = policy.situations(POLICY, book, features=features, baseline=usual)
    assert {s.baseline["events_28d"] for s in found} == {None}


def test_a_part_of_the_book_is_ranked_in_the_whole_book(scored, company):
    book, features, usual = scored
    whole = {s.account_id: s for s in company[0]}
    values = [s.yearly_value for s in company[0]]
    (one,) = policy.situations(POLICY, book.slice(7, 1), features=features, baseline=usual, book_values=values)
    assert one == whole[one.account_id]


@pytest.mark.system("W17")
def test_every_action_on_a_simulated_book_leads_to_a_described_play(company):
    for situation in company[0]:
        warnings, risk = warning_signs(POLICY, situation), policy.risk_level(POLICY, situation)
        found = policy.actions(POLICY, situation, warnings, risk, policy.top_drivers(POLICY, situation))
        assert found
        assert len({action.play for action in found}) == len(found)
        assert [a.due_in_hours for a in found] == sorted(a.due_in_hours for a in found)
        assert all(action.play in POLICY.plays and action.owner in POLICY.roles for action in found)
