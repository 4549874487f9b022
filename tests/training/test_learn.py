from datetime import datetime, timedelta

import numpy as np
import pytest

from features.config import Health
from serving.bundle import check_probe
from serving.cold_start import cold_start
from serving.daily import score_day
from serving.health import weights
from serving.score import score
from training.errors import EvidenceError
from training.learn import ENOUGH_CHURNERS, learn


def learned_from(settings, history, split):
    return learn(settings, history, split.development, split.folds, lambda *_: None)


def churners(accounts):
    """Exactly so many of the 200 accounts churn, each at one of the first eight of the 12 moments."""
    lost = np.zeros((12, 200), dtype=bool)
    lost[np.arange(accounts) % 8, np.arange(accounts)] = True
    return lost.ravel()


def test_nineteen_churned_accounts_are_refused_with_the_numbers(settings, book_of_history):
    too_few = churners(ENOUGH_CHURNERS - 1)
    with pytest.raises(EvidenceError, match=r"19 accounts churned .* 20 are needed .*typical weights"):
        learned_from(settings, *book_of_history(churned=too_few))


def test_a_history_of_stayers_only_is_refused(settings, book_of_history):
    with pytest.raises(EvidenceError, match="0 accounts churned"):
        learned_from(settings, *book_of_history(churned=np.zeros(2_400, dtype=bool)))


def test_a_history_of_churners_only_is_refused(settings, book_of_history):
    with pytest.raises(EvidenceError, match="only 0 accounts stayed"):
        learned_from(settings, *book_of_history(churned=np.ones(2_400, dtype=bool)))


def test_churn_that_ended_long_ago_is_too_little_to_calibrate_on(settings, book_of_history):
    history, _ = book_of_history()
    early = history.churned & (history.moments < history.moments.min() + np.timedelta64(60, "D"))
    assert len(np.unique(history.accounts[early])) >= ENOUGH_CHURNERS
    with pytest.raises(EvidenceError, match=r"later slices with 0 churned snapshots .* shorter horizon_days"):
        learned_from(settings, *book_of_history(churned=early))


def test_a_health_component_that_does_not_exist_is_refused(settings, book_of_history):
    wrong = settings.model_copy(update={"health": Health(components=("usage", "astrology"))})
    with pytest.raises(EvidenceError, match="astrology is no component"):
        learned_from(wrong, *book_of_history())


@pytest.mark.system("H7")
@pytest.mark.usefixtures("quick_training")
def test_health_is_made_of_the_components_that_are_there(settings, book_of_history):
    bundle = learned_from(settings, *book_of_history()).bundle
    assert bundle.health_components == ("usage", "support")
    money = settings.model_copy(update={"health": Health(components=("relationship",))})
    assert learned_from(money, *book_of_history()).bundle.health_components == ("usage", "support", "commercial")


def test_features_that_never_vary_give_everybody_the_base_rate_and_health_50(settings, book_of_history):
    history, split = book_of_history(columns=np.full((2_400, 3), 7.0))
    bundle = learned_from(settings, history, split).bundle
    found = score(bundle, history.matrix[split.test])
    assert found.health.tolist() == [50.0] * len(found.health)
    assert bundle.weights == {"usage": 0.5, "support": 0.5}
    assert found.probability == pytest.approx(history.churned[split.development].mean(), abs=0.02)
    assert np.ptp(found.probability) == 0


@pytest.mark.usefixtures("quick_training")
def test_a_feature_nobody_knows_moves_nothing(settings, book_of_history):
    history, split = book_of_history()
    columns = history.matrix.copy()
    columns[:, 1] = np.nan
    bundle = learned_from(settings, *book_of_history(columns=columns)).bundle
    assert bundle.weights["support"] == 0
    assert (score(bundle, columns[split.test]).component_scores["support"] == 50).all()


@pytest.mark.system("H6")
def test_weights_are_the_spans_of_the_health_components_and_lie_in_their_intervals(trained):
    learned = trained.learned
    spans = {c: learned.bundle.scales[c] for c in learned.bundle.health_components}
    assert learned.bundle.weights == pytest.approx(weights(spans))
    assert sum(learned.bundle.weights.values()) == pytest.approx(1)
    for component, figure in learned.weight_intervals.items():
        assert figure.value == pytest.approx(learned.bundle.weights[component])
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_drivers_add_up_on_every_row_of_history(trained):
    found = score(trained.learned.bundle, trained.history.matrix)
    off = found.intercept + found.drivers.sum(axis=1) - found.log_odds
    assert np.abs(off).max() < 1e-9
    p = found.probability
    assert np.abs(np.log(p / (1 - p)) - found.log_odds).max() < 1e-9


def test_slopes_are_never_negative_and_the_probe_holds(trained):
    bundle = trained.learned.bundle
    assert min(bundle.calibration.slopes.values()) >= 0
    assert len(bundle.probe["rows"]) == 16
    check_probe(bundle)


def test_too_few_churners_still_get_a_health_score_and_no_probability(company):
    start = datetime(2025, 1, 1)
    accounts = [f"a{i}" for i in range(20)]
    company.stage(
        '[churn]\nkind = "inactivity"\nhorizon_days = 28',
        accounts=[{"account_id": a, "started_at": start} for a in accounts],
        usage=[
            {"account_id": a, "at": start + timedelta(days=d, hours=i)}
            for i, a in enumerate(accounts)
            for d in range(0, 330, 1 + i)
        ],
    )
    bundle = cold_start(company.settings, company.engine, company.staged)
    assert bundle.weights == {"usage": 0.45}
    day = score_day(company.settings, company.engine, company.staged, bundle, datetime(2025, 12, 1), version=None)
    rows = {row["account_id"]: row for row in day.book.to_pylist()}
    assert len(rows) == 20
    for row in rows.values():
        assert row["status"] == "cold_start"
        assert row["churn_probability"] is None
        assert row["health_score"] == row["usage_points"] == row["usage_score"]
    assert rows["a0"]["health_score"] == 100, "in use every day"
    assert rows["a5"]["health_score"] == 50, "in use every sixth day: 1 to 3 days a week"
    assert rows["a19"]["health_score"] == 25, "in use every twentieth day"
