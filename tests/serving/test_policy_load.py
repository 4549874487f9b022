"""The shipped policy holds the numbers of the sources; an own file replaces parts of it, or is refused in words."""

import tomllib
from importlib.resources import files

import pytest

from serving.errors import ServingError
from serving.policy import load
from serving.tiers import TIERS

POLICY = load()


@pytest.fixture
def own(tmp_path):
    """Load a policy with these lines as the company's own file."""

    def make(text):
        path = tmp_path / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return make


def test_shipped_tiers_are_those_that_scores_use():
    assert POLICY.bands == TIERS


@pytest.mark.system("H11")
@pytest.mark.parametrize(
    ("tier", "play", "hours"),
    [("green", "grow", 720), ("yellow", "check_in", 168), ("red", "rescue", 24)],
)
def test_each_tier_carries_its_response(tier, play, hours):
    rule = POLICY.tiers[tier]
    assert (rule.play, rule.owner, rule.sla_hours) == (play, "csm", hours)
    assert rule.success_metric


def test_driver_matrix():
    rows = {d.id: (d.timing, " + ".join(d.owners), ", ".join(d.success_metrics)) for d in POLICY.drivers.values()}
    assert rows == {
        "product_issue": ("immediate", "product + csm", "time to resolution, feature requests fulfilled"),
        "low_adoption": ("weeks 1-12", "csm", "usage, feature adoption rate"),
        "value_not_seen": ("continuous", "csm", "value metrics, sentiment, health score"),
        "budget": ("pre-renewal", "csm + sales", "renewal rate, discount impact"),
        "competition": ("continuous", "csm + product", "competitive win rate, feature parity"),
        "champion_loss": ("continuous", "csm", "relationship depth, number of stakeholders"),
        "poor_support": ("immediate", "support + csm", "CSAT, NPS, time to resolution"),
    }


def test_the_six_driver_plays_are_described():
    plays = {"product_fix", "value", "budget", "competition", "champion_change", "strategic_shift"}
    assert plays <= POLICY.plays.keys()


def test_churn_types():
    assert {kind.id: kind.intent for kind in POLICY.churn_types.values()} == {
        "payment": "involuntary",
        **dict.fromkeys(("product", "value", "adoption", "competitive", "budget"), "voluntary"),
    }


def test_treatment_by_risk_level():
    assert {t.id: (t.touch_every_days, t.look_every_days, t.sponsor) for t in POLICY.risk.values()} == {
        "high": (7, 1, "sponsor"),
        "medium": (14, 7, None),
        "low": (30, 30, None),
    }


def test_renewal_windows_and_score_drop():
    assert {w.id: w.days for w in POLICY.renewal.values()} == {"open": 90, "critical": 30}
    assert POLICY.alerts.score_drop_points == 10


def test_an_own_number_replaces_that_number_alone(own):
    policy = own("[alerts]\ndaily_budget = 5")
    assert policy.alerts == POLICY.alerts.model_copy(update={"daily_budget": 5})
    assert policy.warnings == POLICY.warnings


def test_an_own_rule_replaces_the_rule_of_that_name_whole(own):
    policy = own(
        """
        [warnings.W13]
        title = "Unused for a month"
        component = "usage"
        severity = "high"
        when.all = [{ feature = "days_since_last_use", at_least = 30 }]
        text = "{what}: {value}"
        play = "csm_review"
        owner = "csm"
        due_in_hours = 24
        """
    )
    assert policy.warnings["W13"].title == "Unused for a month"
    assert policy.warnings["W13"].rises == ()
    assert policy.warnings.keys() == POLICY.warnings.keys()


def test_a_new_rule_is_added_and_a_removed_one_is_gone(own):
    policy = own(
        """
        remove = ["warnings.W9", "renewal"]
        [warnings.exports_stop]
        title = "Exports stop"
        component = "usage"
        severity = "low"
        when.all = [{ feature = "event_28d_export", relative_to_baseline = true, below = 0.5 }]
        text = "{what}: {change}"
        play = "adoption"
        owner = "csm"
        due_in_hours = 336
        """
    )
    assert policy.warnings.keys() == POLICY.warnings.keys() - {"W9"} | {"exports_stop"}
    assert policy.renewal == {}


@pytest.mark.system("H10")
def test_own_tiers(own):
    policy = own('remove = []\n[tiers.red]\nlabel = "Lost?"\nfloor = 0\ncolour = "#000"\nplay = "rescue"\n'
                 'owner = "cs_lead"\nsla_hours = 12\nsuccess_metric = "saves"')  # fmt: skip
    assert [tier.name for tier in policy.bands] == ["green", "yellow", "red"]
    assert policy.tiers["red"].sla_hours == 12


W = '[warnings.mine]\ntitle = "t"\ncomponent = "usage"\nseverity = "low"\ntext = "x"\n'
WHEN = 'when.all = [{ feature = "events_28d", below = 1 }]\n'
RESPONSE = 'play = "grow"\nowner = "csm"\ndue_in_hours = 1\n'
RED = '[tiers.red]\nlabel = "At-risk"\nfloor = 0\ncolour = "red"\n'


@pytest.mark.system("H12")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(W + WHEN, r"\[warnings.mine\] play: is missing; add it", id="warning without a response"),
        pytest.param(RED + 'play = "rescue"\nowner = "csm"\nsuccess_metric = "x"', r"red\] sla_hours: is missing",
                     id="tier without a deadline"),
        pytest.param(RED + RESPONSE, r"\[tiers.red\] due_in_hours: is not a key", id="key of another table"),
        pytest.param(W + WHEN + RESPONSE.replace("grow", "pray"), r"\[warnings.mine\] play = 'pray' is not described",
                     id="unknown play"),
        pytest.param(W + WHEN + RESPONSE.replace("csm", "nobody"), r"owner 'nobody' is no role", id="unknown owner"),
        pytest.param(W + WHEN.replace("events_28d", "evnts") + RESPONSE, r"feature = 'evnts' is no feature",
                     id="feature that no company can have"),
        pytest.param(W + WHEN.replace("below", "lower") + RESPONSE, r"0\] lower: is not a key", id="unknown bound"),
        pytest.param(W + WHEN.replace(", below = 1", "") + RESPONSE, "needs at least one of", id="test without bound"),
        pytest.param(W + WHEN.replace("below = 1", "below = 1, above = 1") + RESPONSE, "no value of events_28d passes",
                     id="bounds that nothing passes"),
        pytest.param(W + "when = {}\n" + RESPONSE, "give `all` or `any`", id="condition without a test"),
        pytest.param(W + WHEN.replace("= 1 ", "= nan ") + RESPONSE, "finite number", id="bound that is no number"),
        pytest.param(W.replace('"x"', '"{nps_last}"') + WHEN + RESPONSE, "{nps_last} cannot be filled in",
                     id="text about a number that the rule does not ask for"),
        pytest.param(W.replace('"x"', '"{value.__class__}"') + WHEN + RESPONSE, "cannot be filled in",
                     id="text that reaches into the program"),
        pytest.param(W.replace('"x"', '"{value:>999999}"') + WHEN + RESPONSE, "cannot be filled in",
                     id="text with a format"),
        pytest.param(W.replace("usage", "weather") + WHEN + RESPONSE, "component", id="unknown component"),
        pytest.param(W + WHEN + RESPONSE.replace("= 1", "= 0"), "greater than 0", id="no time to act"),
        pytest.param('[warnings.W1]\nid = "W2"', "leave `id` out", id="two names for one rule"),
        pytest.param('remove = ["plays.rescue"]', r"\[tiers.red\] play = 'rescue' is not described",
                     id="play taken away from a tier"),
        pytest.param('remove = ["tiers.red"]', "floors must fall from below 100 to 0", id="scores without a tier"),
        pytest.param('remove = ["warnings.W99"]', "has no such entry", id="removing what is not there"),
        pytest.param('remove = "warnings.W9"', "remove is a list", id="remove that is no list"),
        pytest.param("[risk.low]\ncases = [{}]", "names nothing holds for every account", id="case that asks nothing"),
        pytest.param('[warnings]\nW1 = 3', r"\[warnings\] W1: ", id="a number for a table"),
        pytest.param("daily_budget = 3", "daily_budget stands outside any table", id="key outside any table"),
        pytest.param("[alarms]\nx = 1", r"\[alarms\]: is not a key", id="unknown section"),
        pytest.param('[inputs]\nnps_last = "x"', "already the name of a feature", id="input called like a feature"),
        pytest.param("[[[", "is not valid TOML", id="no TOML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_file_table_and_key(own, tmp_path, text, message):
    with pytest.raises(ServingError, match=message) as refused:
        own(text)
    assert str(tmp_path / "policy.toml") in str(refused.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ServingError, match=r"gone.toml does not exist; leave it out"):
        load(tmp_path / "gone.toml")


def test_all_mistakes_are_told_at_once(own):
    with pytest.raises(ServingError) as refused:
        own(W + WHEN.replace("events_28d", "evnts") + RESPONSE.replace("csm", "nobody"))
    assert str(refused.value).count("[warnings.mine]") == 2


def test_digest_is_of_the_content_not_of_its_order_or_comments(own):
    alerts = tomllib.loads((files("serving.policy") / "default.toml").read_text(encoding="utf-8"))["alerts"]
    assert own("# a comment\n[alerts]\ndaily_budget = 20").digest == POLICY.digest == load().digest
    assert own(f"[alerts]\ndaily_budget = {alerts['daily_budget'] + 1}").digest != POLICY.digest
    assert own("[alerts]\nnever_hold_hours = 24\ndaily_budget = 20").digest == POLICY.digest
    assert own("[roles]\na = 'x'\nb = 'y'").digest == own("[roles]\nb = 'y'\na = 'x'").digest
