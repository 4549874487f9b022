"""Do learned weights recover the truth? Fast: on margins made by hand. Slow: on a hundred simulated companies."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from features.config import load
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write
from serving.calibration import Calibration, sigmoid
from serving.health import weights
from training.calibrate import fit, scales
from training.halves import SPLITS, Half, reliability, split_in_halves, weight_intervals
from training.history import load_history
from training.learn import learn

NAMES = ("usage", "feedback", "support")
TRUE_SPREAD = np.array([1.4, 0.9, 0.5])
NOISE = np.array([0.3, 0.9, 0.7])
"""Standard deviations, in log-odds, of the true terms and of what a model of all accounts adds to them."""


def company(seed=0, accounts=600):
    """Accounts with true terms at 4 moments each, their churn, and a learner whose noise grows as its rows shrink."""
    rng = np.random.default_rng(seed)
    terms = rng.normal(size=(4 * accounts, 3)) * TRUE_SPREAD
    member = np.arange(4 * accounts) // 4
    churned = rng.random(len(terms)) < sigmoid(terms.sum(axis=1) - 1)
    noise = rng.normal(size=(accounts, *terms.shape)) * NOISE

    def margins_of(half):
        """A mean over accounts' noises: disjoint halves share none of it, all accounts make up `NOISE`."""
        mine = np.unique(member[half])
        return terms + noise[mine].sum(axis=0) / len(mine) * np.sqrt(accounts)

    return member, churned, margins_of


def learned(seed=0, accounts=150, level=0.9):
    member, churned, margins_of = company(seed, accounts)
    margins = margins_of(np.ones(len(member), dtype=bool))
    calibration = fit(margins, churned, member, NAMES, draws=0)
    halves = split_in_halves(member, np.arange(len(member)), margins_of, seed)
    trust = reliability(halves)
    stretch = dict(zip(NAMES, np.sqrt(trust.max() / trust).tolist(), strict=True))
    found = scales(margins, calibration, stretch)
    plain = weights(scales(margins, calibration))
    return weight_intervals(halves, churned, calibration, found, stretch, level), plain, found, trust


def test_reliability_is_the_share_of_a_margins_variance_that_is_signal():
    wanted = TRUE_SPREAD**2 / (TRUE_SPREAD**2 + NOISE**2)
    found = np.mean([learned(seed)[3] for seed in range(5)], axis=0)
    np.testing.assert_allclose(found, wanted, atol=0.04)


def test_a_margin_that_never_varies_is_fully_reliable_and_one_of_noise_hardly():
    rng = np.random.default_rng(0)
    mine = np.arange(50) < 25
    halves = [Half(mine, np.column_stack([np.ones(50), rng.normal(size=50)])) for _ in range(2 * SPLITS)]
    assert reliability(halves)[0] == 1
    assert reliability(halves)[1] < 0.5


def test_every_account_is_in_one_half_of_each_split_with_all_its_rows():
    member = np.repeat(np.arange(31), 3)
    halves = split_in_halves(member, np.arange(93), lambda half: np.zeros((93, 2)))
    assert len(halves) == 2 * SPLITS
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert (one.mine ^ other.mine).all()
        assert one.mine.sum() == 45
        assert (one.mine.reshape(31, 3).sum(axis=1) % 3 == 0).all()


def test_the_weights_of_noisy_components_are_set_right():
    truth = TRUE_SPREAD / TRUE_SPREAD.sum()
    both = [learned(seed, accounts=600) for seed in range(6)]
    right = np.mean([[found[name].value for name in NAMES] for found, *_ in both], axis=0)
    plain = np.mean([[weight[name] for name in NAMES] for _, weight, *_ in both], axis=0)
    assert np.abs(plain - truth).max() > 0.03
    assert np.abs(right - truth).max() < 0.02


def test_values_are_the_shares_of_the_stretched_spans_and_lie_inside():
    found, _, stretched, _ = learned()
    assert {name: figure.value for name, figure in found.items()} == pytest.approx(weights(stretched))
    assert all(0 <= figure.low < figure.value < figure.high <= 1 for figure in found.values())


def test_intervals_widen_with_the_level_and_shrink_with_the_accounts():
    def width(**given):
        return sum(figure.high - figure.low for seed in range(4) for figure in learned(seed, **given)[0].values())

    assert width(level=0.95) > width(level=0.8)
    assert width(accounts=60) > 1.3 * width(accounts=240)


@pytest.mark.system("H6")
def test_intervals_cover_the_truth_of_margins_made_by_hand():
    truth = dict(zip(NAMES, TRUE_SPREAD / TRUE_SPREAD.sum(), strict=True))
    found = [learned(seed)[0] for seed in range(60)]
    covered = [figures[name].low <= truth[name] <= figures[name].high for figures in found for name in NAMES]
    assert 0.83 <= np.mean(covered) <= 0.97


def test_one_component_weighs_one_without_halves():
    margins, churned = np.random.default_rng(0).normal(size=(200, 1)), np.arange(200) % 5 == 0
    calibration = Calibration(0.0, {"usage": 1.0}, np.zeros((0, 2)))
    found = weight_intervals([], churned, calibration, scales(margins, calibration), {"usage": 1.0})
    assert found["usage"].as_dict() == {"value": 1.0, "low": 1.0, "high": 1.0}


SEEDS = range(100)
HEALTH = ("usage", "feedback", "support", "relationship")


def recovered(seed):
    """(truth, value, low, high) of each health weight of a small company: 500 accounts, some 115 lost to learn from."""
    raw = simulate(accounts=500, months=24, seed=seed, messy=False, effect=0)
    with TemporaryDirectory() as folder:
        settings = load(write(raw, Path(folder)))
        with open_engine(settings.home_dir) as engine:
            history, split = load_history(settings, engine, stage(settings, engine), lambda *_: None)
    found = learn(settings, history, split.development, split.folds, lambda *_: None, level=0.9).weight_intervals
    return [(raw.truth.weights[c], found[c].value, found[c].low, found[c].high) for c in HEALTH]


@pytest.mark.system("H6")
@pytest.mark.slow
def test_ninety_percent_intervals_cover_the_true_weights_of_a_hundred_companies():
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        truth, value, low, high = np.moveaxis(list(pool.map(recovered, SEEDS)), -1, 0)
    covered = (low <= truth) & (truth <= high)
    print(f"\ncovered {covered.mean():.3f}, by component {covered.mean(axis=0).round(3)}")  # noqa: T201
    print(f"bias {(value - truth).mean(axis=0).round(3)}, half width {((high - low) / 2).mean(axis=0).round(3)}")  # noqa: T201
    assert 0.85 <= covered.mean() <= 0.95
    assert (covered.mean(axis=0) >= 0.75).all()
    assert np.abs(value - truth).mean() < 0.07
