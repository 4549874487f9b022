"""Rules mined from a labelled history, and written as a policy that is accepted."""

import numpy as np
import pytest

from features.declare import Direction, Feature
from features.synthetic import write
from retention import house
from serving import policy
from training import mined_policy, mining
from training.errors import EvidenceError
from training.past import of_history
from training.split import Split, forward_folds

GATES = house.load().mining


@pytest.fixture(scope="module")
def past(history_of):
    """1,000 accounts at 18 moments; silent spells of some five months, in which churn is six times as likely."""
    rng, accounts, moments = np.random.default_rng(2), 1000, 18
    rows = []
    for account in range(accounts):
        silent = rng.random() < 0.15
        for moment in range(moments):
            silent = rng.random() < (0.85 if silent else 0.03)
            days, visits = (rng.integers(10, 40), rng.integers(0, 3)) if silent else (rng.integers(0, 10), 12)
            leaves = rng.random() < (0.09 if silent else 0.015)
            rows.append((f"a{account}", 28 * moment, float(days), float(visits), float(rng.integers(9)), leaves))
            if leaves:
                break
    rows.sort(key=lambda row: (row[1], row[0]))
    account, day, *columns, churned = zip(*rows, strict=True)
    features = (
        _feature("days_since_last_use", "days", Direction.RISKIER),
        _feature("visits_28d", "visits", Direction.SAFER),
        _feature("csat_last", "points", Direction.UNKNOWN, "feedback"),
    )
    history = history_of(features, np.array(columns).T, account, day, np.array(churned))
    moment = np.array(day) // 28
    development, test = moment < 11, moment >= 12
    folds = forward_folds(history.moments, development, 28)
    return of_history(history, Split(development, test, folds, _day(history, 12), _day(history, 10)))


def _feature(name, unit, more_is, component="usage"):
    return Feature(name, name, name, unit, "0", more_is, component=component, scan=component, empty=0)


def _day(history, moment):
    return np.unique(history.moments)[moment].astype("datetime64[us]").item()


def test_rows_are_in_order_of_account_and_moment_with_their_usual_values(past):
    assert past.snapshots.accounts.tolist() == sorted(past.snapshots.accounts.tolist())
    first = past.snapshots.accounts == "a0"
    visits = past.values[first, 1]
    assert np.isnan(past.usual[first, 1][0])
    assert past.usual[first, 1][3] == np.median(visits[:3])
    assert past.relative("visits_28d")[first][3] == visits[3] / np.median(visits[:3])
    assert past.column("nothing") is None


@pytest.mark.system("H13")
def test_silence_is_mined_and_told_in_words(past):
    found = mining.mined(past, GATES)
    told = mining.chapter(found)
    rules = {row[0]: row for row in told.block("rules").rows}
    silent = rules["days_since_last_use: at least 10 days"]
    assert silent[-1] == "accepted"
    assert silent[1].low > 2
    assert "csat" not in " ".join(row[0] for row in told.block("chosen").rows)
    assert found.together.value == pytest.approx(found.chosen[-1][1].value)
    assert f"Together they warn of {100 * found.together.value:.0f} % of the losses" in told.block("chosen").notes[0]


@pytest.mark.system("H13", "M4")
def test_accepted_rules_are_written_as_a_policy_that_is_accepted(past, tmp_path):
    found, file = mining.mined(past, GATES), tmp_path / "mined.toml"
    assert mined_policy.write(found, policy.load(), file) == len(found.chosen) >= 1
    rules = policy.load(file).warnings
    mined = [rule for name, rule in rules.items() if name.startswith("mined_")]
    assert len(mined) == len(found.chosen)
    assert {rule.play for rule in mined} == {"adoption"}
    tests = {(test.feature, test.at_least, test.at_most) for rule in mined for test in rule.when.any}
    assert tests == {
        (
            one.rule.candidate.feature.name,
            *((one.rule.threshold, None) if one.rule.bound == "at_least" else (None, one.rule.threshold)),
        )
        for one, _ in found.chosen
    }
    with pytest.raises(EvidenceError, match="is there already"):
        mined_policy.write(found, policy.load(), file)


def test_without_an_accepted_rule_nothing_is_written(past, tmp_path):
    found = mining.mined(past, GATES.model_copy(update={"least_lift": 50.0}))
    assert found.chosen == []
    assert mining.chapter(found).block("chosen").rows == ()
    with pytest.raises(EvidenceError, match="no rule was accepted"):
        mined_policy.write(found, policy.load(), tmp_path / "mined.toml")
    assert not (tmp_path / "mined.toml").exists()


def test_a_mined_warning_fires_at_the_accounts_it_was_mined_on(past, tmp_path):
    found, file = mining.mined(past, GATES), tmp_path / "mined.toml"
    mined_policy.write(found, policy.load(), file)
    rules, now = policy.load(file), past.snapshots.moments.max().astype("datetime64[us]").item()
    one = found.chosen[0][0].rule
    name = one.candidate.feature.name
    column = past.relative(name) if one.candidate.is_relative else past.column(name)
    at = list(past.history.catalogue.names)
    for row in np.flatnonzero(past.later)[:40]:
        account = policy.Situation(
            account_id="a",
            as_of=now,
            features={n: past.values[row, i] for i, n in enumerate(at)},
            baseline={n: None if np.isnan(past.usual[row, i]) else past.usual[row, i] for i, n in enumerate(at)},
        )
        fires = any(
            sign.feature == name and sign.rule.startswith("mined_") for sign in policy.warning_signs(rules, account)
        )
        assert fires == bool(one.holds(column[row : row + 1])[0])


@pytest.mark.system("H13", "K4")
def test_the_commands_mine_and_tune_a_simulated_company(cli, raw, tmp_path):
    where = ("--config", str(write(raw, tmp_path)))
    (rules, _) = cli("mine", "--json", *where).json["blocks"]
    assert rules["id"] == "rules"
    assert {"value", "low", "high", "n", "confidence"} <= rules["rows"][0]["lift"].keys()
    (tuning,) = cli("tune", "--json", *where).json["blocks"]
    assert {row["rule"] for row in tuning["rows"]} >= {"W1", "W4", "W13"}
