"""From words, drivers and traces to a root cause; and what the policy answers it with."""

import pytest

from retention import house
from retention.errors import RetentionError
from retention.reasons.causes import INVOLUNTARY, Root, Vocabulary
from retention.reasons.kinds import LAYERS
from retention.reasons.traces import TRACES
from serving import policy

WORDS = Vocabulary(house.load().causes)
SIX = {"product", "value", "adoption", "relationship", "economic", "strategic"}


@pytest.mark.system("T4")
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param("too many bugs", "product.bugs", id="a word"),
        pytest.param("BUGS!", "product.bugs", id="in any case"),
        pytest.param("debugging took long", None, id="only whole words"),
        pytest.param("price increase", "economic.pricing", id="a phrase"),
        pytest.param("poor support for the price", "relationship.poor_support", id="the longest word wins"),
        pytest.param("no value seen", "value.no_return", id="a sub-cause before its cause"),
        pytest.param("value", "value", id="a cause alone"),
        pytest.param("payment failure", "involuntary.payment", id="involuntary"),
        pytest.param("", None, id="nothing said"),
        pytest.param(None, None, id="nobody asked"),
    ],
)
def test_a_reason_has_the_cause_of_its_longest_word(text, cause):
    found = WORDS.of_text(text)
    assert (found.name if found else None) == cause


@pytest.mark.system("T4")
def test_there_are_six_root_causes_each_with_sub_causes_and_involuntary_ones_apart():
    assert set(WORDS.causes) == SIX | {INVOLUNTARY}
    named = {name: set(cause.sub) for name, cause in WORDS.causes.items()}
    assert {"bugs", "performance", "missing_features", "usability"} <= named["product"]
    assert {"no_return", "better_alternative", "needs_changed"} <= named["value"]
    assert {"never_launched", "low_use", "unaware"} <= named["adoption"]
    assert {"poor_support", "lack_of_attention", "communication"} <= named["relationship"]
    assert {"budget_cut", "cost", "pricing"} <= named["economic"]
    assert {"priorities", "champion_left", "needs_evolved"} <= named["strategic"]


@pytest.mark.system("T4")
def test_every_driver_of_the_shipped_policy_has_a_cause_and_every_trace_exists():
    assert {name for name in policy.load().drivers if WORDS.of_driver(name) is None} == set()
    told = [one for cause in WORDS.causes.values() for one in (cause, *cause.sub.values())]
    assert {trace for one in told for trace in one.traces} <= TRACES.keys()
    assert {driver for one in told for driver in one.drivers} <= policy.load().drivers.keys()


@pytest.mark.system("T3")
def test_only_what_nobody_could_change_is_not_preventable():
    roots = [Root(name, sub) for name, cause in WORDS.causes.items() for sub in cause.sub]
    lost = {root.name for root in roots if not WORDS.preventable(root)}
    assert lost == {"strategic.priorities", "involuntary.acquired", "involuntary.closed"}
    assert WORDS.preventable(Root("strategic"))
    assert {WORDS.layer(root) for root in roots} == set(LAYERS)


def test_an_unknown_cause_is_refused_with_those_that_there_are():
    assert WORDS.named("value.no_return") == Root("value", "no_return")
    with pytest.raises(RetentionError, match=r"'price' is no cause of retention.toml; the causes are product, "):
        WORDS.named("price")


@pytest.mark.system("T5")
def test_each_type_of_churn_has_its_strategy_and_play():
    kinds = policy.load().churn_types
    told = {name: (kind.intent, kind.strategy) for name, kind in kinds.items()}
    assert told == {
        "payment": ("involuntary", "watch payments, renew the card before it expires"),
        "product": ("voluntary", "quality and roadmap"),
        "value": ("voluntary", "value reports and success metrics"),
        "adoption": ("voluntary", "onboarding and adoption campaigns"),
        "competitive": ("voluntary", "differentiation, parity, ties that are worth keeping"),
        "budget": ("voluntary", "proof of return, flexible price, efficiency"),
    }
    assert {kind.play for kind in kinds.values()} <= policy.load().plays.keys()


@pytest.mark.system("D7", "P13")
def test_the_driver_matrix_has_seven_rows_with_timing_owners_and_metrics():
    drivers = policy.load().drivers
    assert {name: (driver.timing, driver.owners) for name, driver in drivers.items()} == {
        "product_issue": ("immediate", ("product", "csm")),
        "low_adoption": ("weeks 1-12", ("csm",)),
        "value_not_seen": ("continuous", ("csm",)),
        "budget": ("pre-renewal", ("csm", "sales")),
        "competition": ("continuous", ("csm", "product")),
        "champion_loss": ("continuous", ("csm",)),
        "poor_support": ("immediate", ("support", "csm")),
    }
    assert drivers["product_issue"].success_metrics == ("time to resolution", "feature requests fulfilled")
    assert drivers["competition"].success_metrics == ("competitive win rate", "feature parity")
    assert drivers["poor_support"].success_metrics == ("CSAT", "NPS", "time to resolution")


@pytest.mark.system("D1", "D2", "D3", "D4", "D5", "D6")
@pytest.mark.parametrize(
    ("play", "step"),
    [
        ("product_fix", "Give a date for the fix"),
        ("value", "Send a value report with a peer comparison"),
        ("budget", "Offer flexible terms before a discount"),
        ("competition", "Show the difference on their own use"),
        ("champion_change", "Win two more contacts: never depend on a single champion"),
        ("strategic_shift", "Tie the product to one of them"),
    ],
)
def test_every_driver_has_its_play(play, step):
    assert step in policy.load().plays[play].steps
