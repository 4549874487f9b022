import numpy as np
import pytest

from serving.calibration import sigmoid
from training.errors import EvidenceError
from training.promotion import gate

SHRINK = 1 / np.sqrt(1 + np.pi / 8)  # a signal of variance one left out of a logistic model flattens the rest


def book(seed=0, accounts=800, rows=3):
    """Churn that two independent signals explain equally well; rows of an account share both signals."""
    rng = np.random.default_rng(seed)
    account = np.repeat(np.arange(accounts), rows)
    first, second = rng.normal(size=(2, accounts))[:, account]
    churned = rng.random(len(account)) < sigmoid(-1 + first + second)
    return first, second, churned, account


def knows(*signals):
    """The calibrated probability of a model that sees one signal, or both."""
    return sigmoid(-1 + signals[0] + signals[1]) if len(signals) == 2 else sigmoid(SHRINK * (-1 + signals[0]))


def test_the_same_model_is_kept():
    first, _, churned, account = book()
    verdict = gate(knows(first), knows(first), churned, account, draws=100)
    assert not verdict.promote
    assert verdict.reasons == [
        "Log loss changes by +0.0000 (95 % interval +0.0000 to +0.0000) against the champion on 2,400 rows "
        "of 800 accounts: the difference may be luck."
    ]


def test_a_better_model_is_promoted():
    first, second, churned, account = book()
    verdict = gate(knows(first), knows(first, second), churned, account, draws=100)
    assert verdict.promote
    assert verdict.figures["log_loss"].high < 0
    assert len(verdict.reasons) == 3
    assert verdict.reasons[0].endswith("2,400 rows of 800 accounts: the challenger is better.")


def test_a_worse_model_is_kept():
    first, second, churned, account = book()
    verdict = gate(knows(first, second), knows(first), churned, account, draws=100)
    assert not verdict.promote
    assert "the challenger is worse." in verdict.reasons[0]


def test_a_model_better_on_average_but_worse_in_a_large_segment_is_kept():
    first, second, churned, account = book()
    segment = np.where(account % 5 == 0, "enterprise", "small")
    challenger = np.where(segment == "small", knows(first, second), knows(second))
    champion = np.where(segment == "small", knows(first), knows(first, second))
    verdict = gate(champion, challenger, churned, account, segment, draws=100)
    assert verdict.figures["log_loss"].high < 0
    assert not verdict.promote
    assert [reason.split(" grows")[0] for reason in verdict.reasons] == ["Log loss in segment enterprise"]
    assert gate(champion, challenger, churned, account, draws=100).promote  # seen by the segment's check alone


@pytest.mark.parametrize(
    "small",
    [
        pytest.param(lambda account, churned: account % 12 == 0, id="less than a tenth of the rows"),
        pytest.param(lambda account, churned: (account % 5 == 0) & (~churned | (account < 30)), id="few churners"),
    ],
)
def test_a_small_segment_has_no_veto(small):
    first, second, churned, account = book()
    tiny = small(account, churned)
    challenger = np.where(tiny, sigmoid(-first), knows(first, second))
    verdict = gate(knows(first), challenger, churned, account, np.where(tiny, "tiny", "rest"), draws=100)
    assert "log_loss in tiny" not in verdict.figures
    assert "log_loss in rest" in verdict.figures


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        pytest.param(
            lambda log_odds: 1.8 * log_odds,
            "The calibration slope's distance from 1 grows",
            id="too extreme",
        ),
        pytest.param(
            lambda log_odds: log_odds + 0.5,
            "The calibration intercept's distance from 0 grows",
            id="too high",
        ),
    ],
)
def test_a_sharper_but_miscalibrated_model_is_kept(worse, reason):
    first, second, churned, account = book(accounts=3_000)
    challenger = sigmoid(worse(-1 + first + second))
    verdict = gate(knows(first), challenger, churned, account, draws=60)
    assert verdict.figures["log_loss"].high < 0
    assert not verdict.promote
    assert any(text.startswith(reason) for text in verdict.reasons)


def test_two_equally_good_models_are_rarely_swapped():
    promoted = 0
    for seed in range(200):
        first, second, churned, account = book(seed, accounts=150, rows=2)
        promoted += gate(knows(first), knows(second), churned, account, seed=seed, draws=60).promote
    assert promoted <= 10


def test_without_a_champion_the_base_rate_has_to_be_beaten():
    first, second, churned, account = book()
    noise = np.random.default_rng(9).normal(size=800)[account]
    assert gate(None, knows(first, second), churned, account, draws=100).promote
    against_luck = gate(None, knows(noise), churned, account, draws=100)
    assert not against_luck.promote
    assert "against the base rate" in against_luck.reasons[0]


def test_without_a_champion_there_is_no_slope_to_compare():
    first, second, churned, account = book()
    reasons = gate(None, knows(first, second), churned, account, draws=60).reasons
    assert sum("nothing to compare" in reason for reason in reasons) == 1


def test_too_few_churned_accounts_keep_the_champion():
    first, second, churned, account = book()
    verdict = gate(knows(first), knows(first, second), churned & (account < 8), account)
    assert not verdict.promote
    assert "10 are needed" in verdict.reasons[0]


def test_segments_may_be_unknown_for_some():
    first, second, churned, account = book()
    segment = np.where(account % 2 == 0, "a", None)
    assert {"log_loss in a", "log_loss in None"} <= gate(
        knows(first), knows(first, second), churned, account, segment, draws=20
    ).figures.keys()


@pytest.mark.parametrize(
    ("challenger", "accounts", "message"),
    [
        pytest.param([0.5, np.nan], [1, 2], "outside", id="the challenger failed on a row"),
        pytest.param([0.5], [1, 2], "same rows", id="rows missing"),
        pytest.param([0.5, 0.5], [1], "1 accounts", id="accounts missing"),
    ],
)
def test_a_broken_comparison_is_refused_not_passed(challenger, accounts, message):
    with pytest.raises(EvidenceError, match=message):
        gate([0.5, 0.5], challenger, [0, 1], accounts)
