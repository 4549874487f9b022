"""Effects of single accounts: Qini by hand, the refusal of a small holdout, and the ranking against known truth."""

import numpy as np
import pytest

from features.synthetic import Programme, simulate
from retention.effects import cases, learned, uplift
from retention.effects.estimate import Cases
from retention.effects.measured import measure
from retention.effects.uplift import Sample, not_enough, out_of_fold, qini, qini_curve, quality, uplift_at

SHARES = (0.05, 0.1, 0.2, 0.3)
MILD = ("feedback", "relationship", "commercial")


def made(held, saved):
    is_held = np.array(held, dtype=bool)
    n = len(is_held)
    return Cases(
        account=np.arange(n),
        is_held=is_held,
        is_treated=~is_held,
        is_saved=np.array(saved, dtype=bool),
        worth=np.ones(n),
    )


HAND = made(held=[0, 1, 0, 1], saved=[1, 0, 0, 1])
"""In the order of the effect: a treated one saved, a held-out one lost, a treated one lost, a held-out one saved."""


def test_qini_curve_by_hand():
    share, won = qini_curve(np.array([4.0, 3.0, 2.0, 1.0]), HAND)
    assert share.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert won.tolist() == [0.0, (1 - 0 * 1 / 1) / 2, (1 - 0 * 2 / 1) / 2, (1 - 1 * 2 / 2) / 2]
    assert qini(np.array([4.0, 3.0, 2.0, 1.0]), HAND) == pytest.approx(0.25 * (0.0 + 0.25 + 0.5 + 0.25))
    assert qini(np.array([1.0, 2.0, 3.0, 4.0]), HAND) < 0


def test_uplift_among_the_first_half_by_hand():
    effect = np.array([4.0, 3.0, 2.0, 1.0])
    assert uplift_at(effect, HAND, 0.5) == 1.0
    assert uplift_at(-effect, HAND, 0.5) == -1.0
    assert np.isnan(uplift_at(effect, HAND, 0.25))
    assert uplift_at(effect, HAND, 1.0) == 0.0


def test_weights_count_as_copies():
    copies = np.array([2, 1, 3, 1])
    effect = np.array([0.4, 0.3, 0.2, 0.1])
    told = made(np.repeat([0, 1, 0, 1], copies), np.repeat([1, 0, 0, 1], copies))
    assert qini_curve(effect, HAND, copies.astype(float))[1][-1] == pytest.approx(
        qini_curve(np.repeat(effect, copies), told)[1][-1]
    )
    assert uplift_at(effect, HAND, 1.0, copies.astype(float)) == pytest.approx(
        uplift_at(np.repeat(effect, copies), told, 1.0)
    )


def test_a_ranking_by_lot_has_no_qini_and_the_true_one_has(light):
    one = light(3, accounts=1500)
    by_lot = quality(np.random.default_rng(0).random(len(one.cases)), one.cases)
    truly = quality(one.with_play - one.without, one.cases)
    assert by_lot.qini.low < 0 < by_lot.qini.high
    assert truly.qini.low > 0
    assert truly.at[0.1].value > truly.at[0.3].value > truly.at[1.0].value


@pytest.mark.system("G10")
def test_a_small_holdout_is_refused_with_the_numbers_that_are_needed():
    few = made(held=[1] * 37 + [0] * 400, saved=[1] * 30 + [0] * 7 + [1] * 300 + [0] * 100)
    assert not_enough(None, least=200, losses=25).startswith("there is no holdout; 200 closed cases in each arm")
    assert not_enough(few, least=200, losses=25) == (
        "37 closed cases are held out, 7 of them lost; 200 with 25 losses are needed in each arm"
    )
    assert not_enough(few, least=37, losses=7) is None


@pytest.mark.system("G10")
def test_where_it_is_refused_accounts_rank_by_the_average_effect(arms):
    score = {"account_id": "treated0001", "as_of": "2024-12-30", "churn_probability": 0.4, "yearly_value": 9000.0}
    found = learned.chapter(arms(100, 80, 60, 30, kept={"score_history": [score]}), lambda *_: None)
    assert [block.id for block in found.blocks] == ["preventable"]
    assert "60 closed cases are held out, 30 of them lost; 200 with 25 losses are needed" in found.not_measured[0]


def test_no_account_is_judged_by_a_model_that_saw_it(light, monkeypatch):
    one = light(5, accounts=60)
    seen = []

    def learn(sample):
        seen.append(set(sample.cases.account.tolist()))
        return uplift.Model(boosters=(Mean(),), kinds=0)

    class Mean:
        def predict(self, rows):
            return rows[:, 0]

    monkeypatch.setattr(uplift, "learn", learn)
    effect, stays = out_of_fold(Sample(cases=one.cases, features=np.zeros((len(one.cases), 1)), kinds=0))
    assert (effect == 1).all()
    assert (stays == 0).all()
    accounts = set(one.cases.account.tolist())
    assert [len(accounts - group) for group in seen] == [12] * 5
    assert set.intersection(*seen) == set()


def recovered(score, gain, share):
    """Incremental value of treating the share of the cases that a score ranks highest."""
    first = np.argsort(-score, kind="stable")[: max(1, int(share * len(gain)))]
    return gain[first].sum()


@pytest.mark.system("G10")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ranking_by_learned_effect_recovers_the_oracles_value_and_beats_risk(light, seed):
    one = light(seed, accounts=1500, held=0.5)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(one.kind), 10))
    features = np.column_stack([one.kind.astype(float), one.risk, noise])
    effect, _ = out_of_fold(Sample(cases=one.cases, features=features, kinds=1))
    gain = (one.with_play - one.without) * one.cases.worth
    for share in SHARES:
        won = recovered(effect * one.cases.worth, gain, share)
        assert won >= 0.85 * recovered(gain, gain, share), share
        assert won >= 1.3 * recovered(1 - one.without, gain, share), share


@pytest.fixture(scope="module")
def programme_of():
    """Measure a simulated company's programme: the sample to learn from, and the truth of its cases in their order."""

    def make(open_company, seed, accounts):
        company = simulate(accounts=accounts, months=24, seed=seed, messy=False, rate=0.06, programme=Programme())
        with open_company(company) as inputs:
            cases.make(inputs)
            inputs.engine.register("truth", company.truth.cases)
            measured = measure(inputs)
            told = [{name: labels[0] for name, labels in measured.compared.labels.items()}]
            sample = learned.sample_of(inputs, measured, learned.usable(measured.compared, told))
            truth = inputs.engine.query(
                """SELECT t.* FROM play_cases c JOIN truth t ON t.account_id = c.account_id AND t.at = c.begun_at
                   WHERE c.is_closed ORDER BY c.account_id, c.begun_at"""
            ).to_pandas()
        return sample, truth

    return make


@pytest.mark.slow
@pytest.mark.system("G10")
@pytest.mark.parametrize("seed", range(100, 106))
def test_on_the_simulated_company_it_recovers_what_the_law_told_at_the_time(
    programme_of, opened, seed, record_property
):
    """The oracle ranks by the law as it stood at the play, as if the account stayed as it was.

    It is no upper bound: a model learns how accounts usually go on from there. The clairvoyant, who knows how each went
    on, is one, and told beside.
    """
    sample, truth = programme_of(opened, seed, 3000)
    effect, stays = out_of_fold(sample)
    worth = sample.cases.worth
    gain = (truth.stays_with - truth.stays_without).to_numpy() * worth
    known = (truth.expected_with - truth.expected_without).to_numpy() * worth
    for share in SHARES:
        won = recovered(effect * worth, gain, share)
        rivals = {"oracle": known, "clairvoyant": gain, "risk": 1 - stays, "value at risk": (1 - stays) * worth}
        told = {name: won / recovered(score, gain, share) for name, score in rivals.items()}
        record_property(f"{share:.0%}", {name: round(float(ratio), 2) for name, ratio in told.items()})
        assert told["oracle"] >= 0.85, (share, told)
        assert told["risk"] >= 1.3, (share, told)


@pytest.mark.system("G10")
def test_todays_customers_are_ranked_where_their_driver_is_known(opened):
    strong = Programme(effects=dict.fromkeys(("usage", "support"), -4.0) | dict.fromkeys(MILD, 0.4), hurt=2.0)
    company = simulate(accounts=900, months=24, seed=4, messy=False, rate=0.1, programme=strong)
    drivers = np.array(["usage", "feedback", "support", "relationship", "commercial"])
    truth = company.truth.rows.to_pandas()
    last = truth[truth.snapshot_at == truth.snapshot_at.max()]
    told = drivers[last[drivers].to_numpy().argmax(axis=1)]
    day = {"as_of": company.end}
    scores = [day | {"account_id": who, "driver": one} for who, one in zip(last.account_id, told, strict=True)]
    with opened(company, kept={"score_history": scores}) as inputs:
        found = learned.chapter(inputs, lambda *_: None)
    assert found.not_measured == ()
    quality_ = {row["what"]: row["share"] for row in found.block("uplift_quality").as_dicts()}
    assert 0 < quality_["Qini"].low < quality_["Qini"].value < quality_["Qini"].high
    assert quality_["effect among the first 20 %"].value > quality_["effect over all"].value
    ranked = found.block("learned").as_dicts()
    gains = [row["preventable"] for row in ranked if row["preventable"] is not None]
    assert gains == sorted(gains, reverse=True)
    assert len({row["account_id"] for row in ranked}) == len(ranked) > 200
    effects = {driver: [] for driver in drivers}
    driver_of = dict(zip(last.account_id, told, strict=True))
    for row in ranked:
        if row["account_id"] in driver_of:
            effects[driver_of[row["account_id"]]].append(row["effect"])
    means = {driver: np.mean(values) for driver, values in effects.items()}
    assert means["usage"] > means["feedback"]
    assert means["support"] > means["relationship"]


def test_labels_that_todays_customers_do_not_have_are_not_learned_from(opened):
    company = simulate(accounts=300, months=12, seed=4, messy=False, rate=0.07, programme=Programme())
    rules = "[programme]\nuplift_cases = 20\nuplift_losses = 5"
    with opened(company, rules) as inputs:
        cases.make(inputs)
        compared = measure(inputs).compared
        nobody = [{"driver": None, "scored_driver": None, "segment": "smb"}] * 10
        assert list(learned.usable(compared, nobody).values) == ["segment"]
        strangers = [{"driver": "elsewhere", "scored_driver": "usage", "segment": None}] * 10
        assert list(learned.usable(compared, strangers).values) == []
