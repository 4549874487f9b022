from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import snapshots
from features.catalogue import declare, discover
from features.config import load
from features.contracts import SOURCES
from features.engine import open_engine
from features.errors import SourceError
from features.sources import Staged, stage
from features.synthetic import Company, configuration, simulate, write
from features.synthetic.truth import auc
from features.table import build

HEALTH = ("usage", "feedback", "support", "relationship")
EXAMPLE = Path(__file__).parents[2] / "examples" / "saas" / "keepwell.toml"
LATER = datetime(2026, 1, 1)
STEP = timedelta(days=28)


@dataclass
class Read:
    """A company as the product reads it from its files."""

    company: Company
    staged: Staged
    spine: pa.Table
    features: pa.Table


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Read:
    folder = tmp_path_factory.mktemp("saas")
    company = simulate(accounts=300, seed=3, messy=False)
    settings = load(write(company, folder))
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine, now=LATER)
        snapshots.spine(settings, engine, staged, snapshots.grid(settings, *snapshots.span(engine, staged)))
        catalogue = declare(staged, discover(engine, staged, known_by=company.end, max_events=10))
        return Read(company, staged, engine.query("SELECT * FROM spine"), build(engine, staged, catalogue))


@pytest.fixture(scope="module")
def companies() -> list[Company]:
    return [simulate(accounts=500, seed=seed, messy=False) for seed in range(5)]


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy(zero_copy_only=False)


def pooled(companies: list[Company], name: str) -> np.ndarray:
    return np.concatenate([column(company.truth.rows, name) for company in companies])


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(simulate(accounts=60, months=6, seed=5), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 10
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_another_seed_is_another_company():
    one, two = (simulate(accounts=60, months=6, seed=seed) for seed in (1, 2))
    assert one.truth.weights != two.truth.weights
    assert not one.tables["usage"].equals(two.tables["usage"])


@pytest.mark.parametrize("wrong", [{"months": 5}, {"weights": {"usage": 1.0}}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SourceError, match="needs months >= 6"):
        simulate(**wrong)


def test_configuration_is_short_and_the_example_is_the_default_company():
    assert EXAMPLE.read_text() == configuration(datetime(2024, 12, 29), datetime(2024, 7, 14))
    assert len(EXAMPLE.read_text().splitlines()) <= 30


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_the_columns_of_its_contract(clean, source):
    given = set(clean.staged.sources[source].columns)
    optional = {"row_id", "value"}
    assert set(SOURCES[source].columns) - optional <= given


def test_clean_company_keeps_every_contract(clean):
    told = clean.staged.sources
    assert {name: source.quarantined for name, source in told.items()} == dict.fromkeys(SOURCES, ())
    assert {name: source.rows_good for name, source in told.items()} == {
        name: len(table) for name, table in clean.company.tables.items()
    }


def test_messy_company_is_the_clean_one_and_the_broken_rows_it_tells_of(clean, tmp_path):
    messy = simulate(accounts=300, seed=3, messy=True)
    settings = load(write(messy, tmp_path))
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine, now=LATER)
    for name, source in staged.sources.items():
        told = {broken.reason: broken.count for broken in source.quarantined}
        for reason, count in messy.broken[name].items():
            assert [n for r, n in told.items() if r.startswith(reason)] == [count], (name, reason, told)
        assert source.rows_quarantined == sum(messy.broken[name].values())
        assert source.rows_good == clean.staged.sources[name].rows_good
    broken, rows = (sum(s.rows_quarantined for s in staged.sources.values()), sum(map(len, messy.tables.values())))
    assert 0.004 < broken / rows < 0.006


def test_truth_is_told_for_exactly_the_accounts_alive_at_each_snapshot(clean):
    def pairs(table: pa.Table) -> set[tuple[str, datetime]]:
        return set(zip(table["account_id"].to_pylist(), table["snapshot_at"].to_pylist(), strict=True))

    assert pairs(clean.spine) == pairs(clean.company.truth.rows)


def law(seen: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The simulator's law in the words of the product's features."""
    t = np.tanh
    return {
        "usage": -t((seen["active_days_28d"] - 9) / 6) - 0.8 * t((or_else(seen["usage_trend_28d"], 0.5) - 0.5) / 0.15),
        "feedback": -0.8 * t((or_else(seen["nps_last"], 7) - 7) / 2.5)
        + t(seen["surveys_unanswered"] / 2)
        + 0.6 * t(seen["complaints_84d"]),
        "support": t(seen["tickets_open"] / 2)
        + 0.8 * t(seen["escalations_84d"] / 1.5)
        + 0.6 * t(seen["tickets_28d"] / 3),
        "relationship": t((or_else(seen["days_since_two_way_contact"], 120) - 30) / 25)
        + 1.2 * seen["champion_left"]
        - 0.5 * t(seen["executive_contacts_364d"] / 1.5),
        "commercial": np.exp(-seen["days_to_renewal"] / 45)
        + 2 * seen["discount"]
        + 0.8 * t(seen["payments_failed_84d"])
        - 0.8 * t(seen["contract_tenure_days"] / 400),
    }


def or_else(values: np.ndarray, missing: float) -> np.ndarray:
    return np.where(np.isnan(values), missing, values)


@pytest.mark.parametrize("component", [*HEALTH, "commercial"])
def test_terms_are_functions_of_what_the_features_see(clean, component):
    order = [("snapshot_at", "ascending"), ("account_id", "ascending")]
    features, truth = clean.features.sort_by(order), clean.company.truth.rows.sort_by(order)
    expected = law({name: column(features, name) for name in features.column_names})[component]
    term = column(truth, component)
    line = np.polyfit(expected, term, 1)
    assert line[0] > 0
    np.testing.assert_allclose(np.polyval(line, expected), term, atol=1e-9)


def test_nothing_happens_outside_a_contract_but_late_loading(clean):
    tables = clean.company.tables
    term = tables["subscriptions"].to_pandas().sort_values("updated_at", kind="stable")
    term = term.drop_duplicates(["account_id", "started_at"], keep="last")
    clocks = {"usage": "at", "feedback": "at", "support": "updated_at", "touchpoints": "at", "invoices": "at"}
    for source, clock in clocks.items():
        rows = tables[source].to_pandas()
        for account, terms in term.groupby("account_id"):
            at = rows.loc[rows["account_id"] == account, clock].to_numpy()
            begins, ends = terms["started_at"].to_numpy(), terms["ended_at"].fillna(LATER).to_numpy()
            inside = ((at[:, None] >= begins) & (at[:, None] < ends)).any(axis=1)
            assert inside.all(), (source, account)


def test_a_loss_becomes_known_between_its_snapshot_and_its_end(clean):
    company, rows = clean.company, clean.company.truth.rows.filter(clean.company.truth.rows["churned"])
    lost = set(zip(rows["account_id"].to_pylist(), rows["snapshot_at"].to_pylist(), strict=True))
    found = set()
    for term in company.tables["subscriptions"].filter(pc.field("cancelled_at").is_valid()).to_pylist():
        snapshot = company.start + (term["ended_at"] - company.start) // STEP * STEP
        assert snapshot < term["updated_at"] < term["ended_at"] < snapshot + STEP
        found.add((term["account_id"], snapshot))
    assert found == lost


def test_some_rows_are_late_by_days_and_some_after_the_account_left(companies):
    usage, terms = companies[0].tables["usage"], companies[0].tables["subscriptions"]
    late = (column(usage, "loaded_at") - column(usage, "at")) / np.timedelta64(1, "D")
    assert late.min() >= 0
    assert np.mean(late >= 1) == pytest.approx(0.02, abs=0.002)
    assert late.max() < 12.01
    left = terms.filter(pc.field("cancelled_at").is_valid()).select(["account_id", "ended_at"])
    joined = usage.join(left, "account_id", join_type="inner")
    assert (
        np.sum(
            (column(joined, "at") < column(joined, "ended_at"))
            & (column(joined, "loaded_at") > column(joined, "ended_at"))
        )
        > 20
    )


def test_some_accounts_come_back(companies):
    begun = [company.truth.rows.filter(company.truth.rows["churned"])["account_id"] for company in companies]
    alive_later = [
        company.truth.rows.filter(pc.is_in(company.truth.rows["account_id"], ids))
        for company, ids in zip(companies, begun, strict=True)
    ]
    gaps = 0
    for rows in alive_later:
        at = rows.to_pandas().sort_values(["account_id", "snapshot_at"])
        gaps += int((at.groupby("account_id")["snapshot_at"].diff().dt.days > 28).sum())
    assert gaps >= 5


def test_accounts_churn_as_often_as_their_probability_says(companies):
    p, churned = pooled(companies, "probability"), pooled(companies, "churned")
    assert 0.02 < p.mean() < 0.04
    groups = np.array_split(np.argsort(p), 10)
    for group in [np.arange(len(p)), *groups]:
        sd = np.sqrt(np.sum(p[group] * (1 - p[group])))
        assert abs(churned[group].sum() - p[group].sum()) < 3 * sd


def test_probability_is_the_sum_of_its_terms(companies):
    truth = companies[0].truth
    log_odds = truth.intercept + sum(column(truth.rows, name) for name in (*HEALTH, "commercial", "play"))
    p = column(truth.rows, "probability")
    np.testing.assert_allclose(np.log(p / (1 - p)), log_odds, atol=1e-9)


def test_oracle_can_tell_but_not_perfectly(companies):
    aucs = [company.truth.oracle_auc for company in companies]
    assert min(aucs) > 0.77
    assert max(aucs) < 0.88
    assert 0.80 < np.mean(aucs) < 0.85


@pytest.mark.parametrize(("score", "expected"), [([0.9, 0.1], 1.0), ([0.1, 0.9], 0.0), ([0.5, 0.5], 0.5)])
def test_auc_by_hand(score, expected):
    assert auc(np.array(score), np.array([True, False])) == expected


def test_wanted_weights_are_the_true_ones_by_the_products_definition():
    wanted = {"usage": 0.4, "feedback": 0.3, "support": 0.2, "relationship": 0.1}
    truth = simulate(accounts=800, seed=1, messy=False, weights=wanted).truth
    spread = {name: np.subtract(*np.percentile(column(truth.rows, name), [99, 1])) for name in HEALTH}
    assert truth.weights == pytest.approx({name: wide / sum(spread.values()) for name, wide in spread.items()})
    assert truth.weights == pytest.approx(wanted, abs=0.02)


def test_without_signal_the_hazard_is_constant():
    truth = simulate(accounts=400, seed=2, messy=False, signal=0.0).truth
    assert np.ptp(column(truth.rows, "probability")) == 0
    assert column(truth.rows, "probability")[0] == pytest.approx(0.025)
    assert truth.oracle_auc == 0.5
    assert truth.average_effect == 0


def outcomes(company: Company) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per play that can be judged: was it carried out, the log-odds before it, churn in its three windows."""
    rows = company.truth.rows.to_pylist()
    seen = {(row["account_id"], row["snapshot_at"]): row for row in rows}
    found = []
    for play in company.tables["interventions"].to_pylist():
        days = (play["at"] - company.start) // STEP
        windows = [company.start + (days + i) * STEP for i in (0, 1, 2, 3)]
        told = [seen.get((play["account_id"], at)) for at in windows]
        if told[0] and told[1] and windows[-1] + STEP <= company.end:
            p = told[0]["probability"]
            churned = any(row["churned"] for row in told[1:] if row)
            found.append((play["arm"] == "treated", np.log(p / (1 - p)), churned))
    treated, before, churned = map(np.array, zip(*found, strict=True))
    return treated, before, churned


def test_holdout_is_drawn_once_per_account_and_balanced(companies):
    arms: dict[tuple[int, str], set[str]] = {}
    for i, company in enumerate(companies):
        for play in company.tables["interventions"].to_pylist():
            arms.setdefault((i, play["account_id"]), set()).add(play["arm"])
    assert all(len(kinds) == 1 for kinds in arms.values())
    share = np.mean([kinds == {"holdout"} for kinds in arms.values()])
    assert abs(share - 0.3) < 3 * np.sqrt(0.3 * 0.7 / len(arms))
    treated, before, _ = (np.concatenate(part) for part in zip(*map(outcomes, companies), strict=True))
    sd = before.std() * np.sqrt(1 / treated.sum() + 1 / (~treated).sum())
    assert abs(before[treated].mean() - before[~treated].mean()) < 3 * sd


def test_holdout_shows_the_true_effect_of_plays(companies):
    treated, _, churned = (np.concatenate(part) for part in zip(*map(outcomes, companies), strict=True))
    seen = churned[treated].mean() - churned[~treated].mean()
    sd = np.sqrt(sum(churned[arm].var() / arm.sum() for arm in (treated, ~treated)))
    expected = np.mean([company.truth.average_effect for company in companies])
    assert expected < -0.04
    assert abs(seen - expected) < 3 * sd


def test_involuntary_losses_are_few_and_unrelated_to_risk(companies):
    told = [row for company in companies for row in company.tables["churns"].to_pylist()]
    share = np.mean([row["intent"] == "involuntary" for row in told])
    assert abs(share - 0.08) < 3 * np.sqrt(0.08 * 0.92 / len(told))
    assert {row["reason"] for row in told if row["intent"] == "involuntary"} <= {
        "payment failure",
        "acquired",
        "out of business",
    }
