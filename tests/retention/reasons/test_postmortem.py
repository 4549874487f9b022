"""What a loss looks like afterwards, and what a person makes of it."""

import json

import pytest

from retention.errors import RetentionError
from retention.reasons import losses, patterns, postmortem, traces
from retention.reasons.causes import Vocabulary
from retention.reasons.markdown import as_markdown

TOLD = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01'


def score(as_of, health, driver="low_adoption"):
    words = "Active days: 2"
    tier = "green" if health >= 70 else "red"
    return {"account_id": "a", "as_of": as_of, "health_score": health, "tier": tier, "driver": driver} | {
        "churn_probability": 0.2,
        "top_driver_1": words,
    }


def play(at, name, arm="treated"):
    return {"account_id": "a", "at": at, "play": name, "arm": arm, "owner": "ann", "outcome": "declined"}


KEPT = {
    "score_history": [score("2024-05-01", 81.0), score("2024-06-01", 42.0)],
    "sign_history": [
        {"account_id": "a", "rule": "W1", "at": "2024-05-01", "text": "Usage: 3, usually 9"},
        {"account_id": "a", "rule": "W6", "at": "2024-06-20", "text": "2 surveys unanswered"},
    ],
    "play_history": [
        play("2024-04-20", "grow", "holdout"),
        play("2024-06-05", "re_engage"),
        play("2024-06-25", "grow", "holdout"),
    ],
}


@pytest.fixture
def made(measured, stayer, leaver):
    """The post-mortem of an account that paid 100 a month for a year, with what was kept beside it."""

    def make(checks=(), account="a", **leaving):
        terms = [leaver("a", "2024-06-30", "low adoption", **leaving), stayer("s")]
        inputs = measured(toml=TOLD, subscriptions=terms, kept=KEPT | {"check_history": list(checks)})
        words = Vocabulary(inputs.house.causes)
        traces.make(inputs)
        every = losses.read(inputs, words)
        found = patterns.patterns(inputs, losses.lately(inputs, every), words)
        return postmortem.of_account(inputs, account, every, words, found)

    return make


@pytest.mark.system("K1")
def test_a_post_mortem_fills_in_what_was_kept(made):
    found = made()
    assert (found.intent, found.yearly_value, found.reason) == ("voluntary", 1200.0, "low adoption")
    assert (found.stated, found.inferred, found.found) == ("Adoption: Low use", "Adoption", None)
    assert (found.preventable, found.layer) == (True, "engagement")
    assert [(one.days_before, one.health, one.tier, one.driver) for one in found.scores] == [
        (60, 81.0, "green", "low_adoption"),
        (29, 42.0, "red", "low_adoption"),
    ]
    assert [(one.title, one.days_before, one.answered_by, one.answered_after_days) for one in found.signals] == [
        ("warning W1: Usage: 3, usually 9", 60, "re_engage", 35),
        ("warning W6: 2 surveys unanswered", 10, None, None),
    ]
    assert [(one.play, one.arm, one.days_before) for one in found.plays] == [
        ("grow", "holdout", 71),
        ("re_engage", "treated", 25),
        ("grow", "holdout", 5),
    ]
    assert [one.name for one in found.missed] == ["warning W6"]


@pytest.mark.system("K1")
def test_it_says_all_of_it_in_one_line_and_on_one_page(made):
    found = made()
    assert found.summary == (
        "Adoption: Low use; 2 seen, the first 60 days before; 1 tried, the first 25 days before; preventable, one-off"
    )
    page = as_markdown(found)
    assert "Lost on 2024-06-30 after 395 days as a customer, worth 1,200 a year; voluntary." in page
    assert "| 2024-06-20 | 10 | warning W6: 2 surveys unanswered | nobody |" in page
    assert "| 2024-06-05 | 25 | re_engage | ann | treated | declined |" in page
    assert "Nobody has said yet" in page
    assert json.loads(json.dumps(found.as_json(), default=str))["missed"][0]["name"] == "warning W6"


@pytest.mark.system("K1", "T4")
def test_a_person_says_what_it_really_was_and_the_newest_word_counts(made):
    said = {"account_id": "a", "by": "ann", "is_done": True}
    checks = [
        said | {"item": "cause.value", "at": "2024-07-10", "note": "too early"},
        said | {"item": "cause.value.needs_changed", "at": "2024-08-01", "note": "They do it in house now."},
        said | {"item": "onboarding.kickoff", "at": "2024-08-02"},
        said | {"item": "cause.economic.cost", "at": "2024-06-01", "note": "before the loss: of another one"},
    ]
    found = made(checks)
    assert (found.found, found.cause, found.stated) == (
        "Value: Needs changed",
        "Value: Needs changed",
        "Adoption: Low use",
    )
    assert "They do it in house now." in as_markdown(found)


@pytest.mark.system("K1")
def test_a_word_belongs_to_the_loss_before_it(measured, leaver):
    terms = [leaver("a", "2024-03-01"), leaver("a", "2024-09-01", since="2024-05-01")]
    said = {"account_id": "a", "by": "ann", "is_done": True}

    def found(*days):
        checks = [said | {"item": f"cause.{cause}", "at": day} for day, cause in days]
        inputs = measured(toml=TOLD, subscriptions=terms, kept={"check_history": checks})
        traces.make(inputs)
        return [loss.found and loss.found.cause for loss in losses.read(inputs, Vocabulary(inputs.house.causes))]

    assert found(("2024-02-01", "value")) == [None, None], "before any loss"
    assert found(("2024-04-01", "value")) == ["value", None]
    assert found(("2024-04-01", "value"), ("2024-10-01", "product")) == ["value", "product"]


def test_of_two_words_of_the_same_moment_the_last_one_counts(measured, leaver):
    said = {"account_id": "a", "by": "ann", "is_done": True, "at": "2024-10-01"}
    checks = [said | {"id": n, "item": f"cause.{cause}"} for n, cause in ((9, "value"), (10, "economic"))]
    inputs = measured(toml=TOLD, subscriptions=[leaver("a", "2024-09-01")], kept={"check_history": checks})
    traces.make(inputs)
    (loss,) = losses.read(inputs, Vocabulary(inputs.house.causes))
    assert loss.found.cause == "economic"


def test_who_did_not_leave_has_no_post_mortem(made):
    with pytest.raises(RetentionError, match="s was not lost by 2025-01-01"):
        made(account="s")


@pytest.mark.system("K1")
def test_the_command_keeps_a_cause_and_tells_it(cli, made, company):
    made()
    where = ("--config", str(company.folder / "keepwell.toml"), "--as-of", "2025-01-01")
    refused = cli("postmortem", "a", "--cause", "value.nothing", *where)
    assert refused.code == 1
    assert "'value.nothing' is no cause" in refused.err
    told = cli("postmortem", "a", "--cause", "value.needs_changed", "--note", "in house", "--json", *where).json
    assert (told["found"], told["learned"]) == ("Value: Needs changed", "in house")
    page = cli("postmortem", "a", "--markdown", *where).out
    assert "| Found by a person | Value: Needs changed |" in page
    assert cli("postmortem", "a", "--note", "x", *where).code == 2
