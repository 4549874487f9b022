import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from serving.calibration import Calibration, sigmoid
from training.calibrate import choose, fit, fit_slopes, harm, scales
from training.errors import EvidenceError

NAMES = ("usage", "feedback", "support")


def company(n, *, seed=0, true_slopes=(1.0, 1.0, 1.0), intercept=0.0):
    """Component margins and the churn that follows from them when each is multiplied by its true slope."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=(n, len(true_slopes))) * np.linspace(1.2, 0.6, len(true_slopes))
    churned = rng.random(n) < sigmoid(intercept + margins @ np.array(true_slopes))
    return margins, churned, np.arange(n) // 4


@pytest.mark.system("H14")
def test_a_calibrated_model_is_left_as_it_is():
    margins, churned, _ = company(40_000)
    np.testing.assert_allclose(fit_slopes(margins, churned), [0, 1, 1, 1], atol=0.06)


@pytest.mark.system("H14")
def test_a_doubled_component_is_halved():
    margins, churned, _ = company(40_000)
    margins[:, 1] *= 2
    np.testing.assert_allclose(fit_slopes(margins, churned), [0, 1, 0.5, 1], atol=0.06)


def test_a_component_of_noise_goes_from_the_prior_to_zero_as_rows_come_in():
    slopes = []
    for n in (0, 30, 300, 3_000):
        companies = (company(n, seed=seed, true_slopes=(1, 0, 1)) for seed in range(10))
        slopes.append(np.mean([fit_slopes(margins, churned)[2] for margins, churned, _ in companies]))
    assert slopes[0] == 1
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[-1] < 0.05


def test_a_component_that_points_the_wrong_way_gets_exactly_zero():
    margins, churned, _ = company(5_000, true_slopes=(1, -0.5, 1))
    assert fit_slopes(margins, churned)[2] == 0


def test_the_maximum_is_the_one_scikit_learn_finds():
    margins, churned, _ = company(500, intercept=-1.0)
    theirs = LogisticRegression(C=1 / (2 * 5.0), tol=1e-12, max_iter=1000).fit(margins, churned)
    ours = fit_slopes(margins, churned, prior=0.0, ridge=5.0)
    np.testing.assert_allclose(ours, np.append(theirs.intercept_, theirs.coef_), atol=1e-5)


def test_weights_are_repeated_rows():
    margins, churned, _ = company(300)
    times = np.random.default_rng(1).integers(0, 3, 300)
    repeated = fit_slopes(np.repeat(margins, times, axis=0), np.repeat(churned, times))
    np.testing.assert_allclose(fit_slopes(margins, churned, weight=times.astype(float)), repeated, atol=1e-6)


def test_terms_and_intercept_add_up_to_the_log_odds_of_the_probability():
    margins, churned, accounts = company(400)
    calibration = fit(margins, churned, accounts, NAMES, draws=2)
    total = calibration.intercept + calibration.terms(margins).sum(axis=1)
    p = calibration.apply(margins)
    np.testing.assert_allclose(total, calibration.log_odds(margins), atol=1e-12)
    np.testing.assert_allclose(np.log(p / (1 - p)), total, atol=1e-12)


def test_sigmoid_survives_both_ends():
    np.testing.assert_allclose(sigmoid([-800, -40, 0, 800]), [0, np.exp(-40), 0.5, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "intercept", "slopes"),
    [
        pytest.param("none", -1.0, (1, 1, 1), id="none is the model as it is"),
        pytest.param("platt", 0.0, (0.5, 0.5, 0.5), id="platt halves every slope and the base alike"),
        pytest.param("component", 0.5, (0.5, 0.5, 0.5), id="component has an intercept of its own"),
    ],
)
def test_each_method_on_a_model_twice_as_sure_as_it_should_be(method, intercept, slopes):
    margins, churned, accounts = company(40_000, true_slopes=(0.5, 0.5, 0.5), intercept=0.5)
    found = fit(margins, churned, accounts, NAMES, method=method, base=-1.0, draws=1)
    if method == "platt":
        intercept = 0.5  # slope x base + what makes the mean right
    np.testing.assert_allclose(list(found.slopes.values()), slopes, atol=0.05)
    assert found.intercept == pytest.approx(intercept, abs=0.05)


def test_interval_holds_the_probability_and_is_narrower_with_more_accounts():
    widths = []
    for n in (400, 4_000):
        margins, churned, accounts = company(n)
        calibration = fit(margins, churned, accounts, NAMES, draws=60)
        low, high = calibration.interval(margins[:50])
        assert (low < calibration.apply(margins[:50])).mean() > 0.9
        assert (high > calibration.apply(margins[:50])).mean() > 0.9
        widths.append((high - low).mean())
    assert widths[1] < widths[0] / 1.5


def test_draws_are_of_accounts_and_repeat_with_the_seed():
    margins, churned, _ = company(200)
    repeated = np.repeat(margins, 5, axis=0), np.repeat(churned, 5)
    by_account, again = (fit(*repeated, np.repeat(np.arange(200), 5), NAMES, draws=60) for _ in range(2))
    by_row = fit(*repeated, np.arange(1000), NAMES, draws=60)
    np.testing.assert_array_equal(by_account.draws, again.draws)
    assert by_account.draws.shape == (60, 4)
    assert by_account.draws[:, 1].std() > 1.5 * by_row.draws[:, 1].std()


def calibration(**slopes):
    return Calibration(0.0, slopes, np.empty((0, 1 + len(slopes))))


def test_scales_are_the_first_and_last_percentile_of_the_terms():
    margins = np.column_stack([np.arange(1, 101), np.arange(100, 0, -1.0)])
    found = scales(margins, calibration(usage=2.0, support=0.0))
    assert (found["usage"].low, found["usage"].high) == (2, 198)
    assert found["support"].span == 0


def test_component_is_chosen_when_components_are_off_by_different_factors():
    chosen = choose(*company(4_000, true_slopes=(1.0, 0.2, 0.4)), base=0.0)
    assert chosen.method == "component"
    assert chosen.difference["none"].low > 0
    assert chosen.difference["platt"].low > 0
    assert chosen.log_loss.keys() == {"component", "platt", "none"}


def test_component_is_chosen_when_nothing_can_be_told_apart():
    chosen = choose(*company(200, seed=1), base=0.0)
    assert chosen.difference["none"].value < 0 < chosen.difference["none"].high  # better, perhaps by luck
    assert chosen.method == "component"


def test_none_is_chosen_when_slopes_are_proven_to_cost_more_than_they_give():
    chosen = choose(*company(250, true_slopes=(1.0,) * 25), base=0.0, ridge=0.0)
    assert chosen.method == "none"
    assert chosen.difference["none"].high < 0


def test_harm_on_later_rows_is_seen():
    earlier, later = (
        company(4_000, true_slopes=(1.0, 0.3, 1.0)),
        company(4_000, seed=1, true_slopes=(1.0, 0.3, 1.0)),
    )
    learned = fit(*earlier, NAMES, draws=1)
    assert harm(learned, later[0], 0.0, *later[1:]).high < 0
    changed = company(4_000, seed=2, true_slopes=(1.0, 1.6, 1.0))
    assert harm(learned, changed[0], 0.0, *changed[1:]).low > 0


def test_without_calibration_there_is_no_harm():
    margins, churned, accounts = company(400)
    raw = fit(margins, churned, accounts, NAMES, method="none", base=0.3, draws=1)
    assert harm(raw, margins, 0.3, churned, accounts).value == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("margins", "churned", "method", "message"),
    [
        pytest.param(np.ones((3, 2)), [0, 1, 0], "component", "3 rows, 3 components", id="a component missing"),
        pytest.param(np.full((2, 3), np.nan), [0, 1], "component", "NaN", id="NaN margin"),
        pytest.param(np.ones((2, 3)), [0, 0], "component", "0 of 2 rows churned", id="nobody churned"),
        pytest.param(np.ones((2, 3)), [1, 1], "component", "2 of 2 rows churned", id="everybody churned"),
        pytest.param(np.ones((2, 3)), [0, 1], "isotonic", "unknown method 'isotonic'", id="no such method"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(margins, churned, method, message):
    with pytest.raises(EvidenceError, match=message):
        fit(margins, churned, np.arange(len(churned)), NAMES, method=method)
