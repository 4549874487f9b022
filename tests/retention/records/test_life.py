"""A record's life: reviews fixed at the start, signals that re-open, revisions, expiry; and replay."""

import json
from copy import deepcopy
from datetime import datetime, timedelta

import pytest

from retention.errors import RetentionError
from retention.records import deciding, document, life
from retention.records.lint import lint

AT = datetime(2025, 2, 1, 9)


@pytest.fixture
def step(decision, report):
    return life.create(decision(), report(), AT)


def stored(body):
    """The body as it comes back from the store."""
    return json.loads(json.dumps(body))


@pytest.mark.system("X2", "X19")
def test_the_reviews_are_dated_when_the_decision_is_taken(step):
    assert [(one["kind"], one["due"]) for one in step.body["schedule"]] == [
        ("initial", "2025-02-08"),
        ("operating", "2025-03-01"),
        ("operating", "2025-03-29"),
        ("operating", "2025-04-26"),
        ("post", "2025-05-03"),
    ]


@pytest.mark.system("X5", "X12", "X20")
def test_metrics_are_locked_by_digest_with_their_baseline(step, report):
    from retention.metrics import METRICS

    locked = step.body["locked"]
    assert locked["definitions"]["nps"] == METRICS["nps"].digest
    assert locked["baseline"]["nps"] == {
        "value": 30.0, "n": 400, "low": 27.0, "high": 33.0, "confidence": "high", "as_of": "2025-01-31T00:00:00",
    }  # fmt: skip


@pytest.mark.system("X7")
def test_replaying_stored_inputs_gives_the_same_to_the_bit_and_a_changed_number_shows(step):
    body = stored(step.body)
    assert deciding.replay(body) == []
    body["document"]["compare"]["value"]["base"] += 1
    assert any(line.startswith("expected: ") for line in deciding.replay(body))


@pytest.mark.system("X17")
def test_another_definition_or_method_than_at_the_decision_is_told(step):
    body = stored(step.body)
    body["locked"]["definitions"]["nps"] = "0ld"
    body["locked"]["method"] = "0ld"
    told = [one.text for one in lint(body, [], None, AT) if one.kind == "definition"]
    assert len(told) == 2
    assert "nps changed" in told[0]
    assert "method" in told[1]


@pytest.mark.system("X9", "X10")
def test_a_fired_signal_reopens_the_record_once_and_a_review_counts_anew(step, report):
    bad = [report(month, logo_churn=0.05) for month in (1, 2)]
    assert life.watch(step.body, "open", [report(), *bad[:1]], AT) is None
    fired = life.watch(step.body, "open", [report(), *bad], AT)
    assert (fired.event, fired.state) == ("reopened", "reopened")
    assert fired.body["happened"]["signals"] == ["logo_churn > 4 % for 2 reports"]
    assert life.watch(fired.body, "reopened", bad, AT) is None
    held = life.review(fired.body, [{}], "reopened", "operating", "holds", "a holiday", bad[-1].as_of)
    assert held.state == "open"
    assert life.watch(held.body, "open", bad, AT) is None
    more = [*bad, report(3, logo_churn=0.05), report(4, logo_churn=0.05)]
    assert life.watch(held.body, "open", more, AT).state == "reopened"


@pytest.mark.system("X18")
def test_a_metric_that_is_defined_anew_reopens_the_record(step, report):
    found = life.watch(step.body, "open", [report(1, definitions={"nps": "new"})], AT)
    assert "definition of nps changed" in found.body["happened"]["because"][0]


@pytest.mark.system("X18")
def test_a_record_expires_after_its_horizon(step, report):
    assert life.watch(step.body, "open", [report()], datetime(2025, 5, 3, 23)) is None
    ended = life.watch(step.body, "open", [report()], datetime(2025, 5, 4))
    assert (ended.event, ended.state) == ("closed", "expired")
    with pytest.raises(RetentionError, match="the record is expired"):
        life.review(ended.body, [], "expired", "post", "continue", "late", AT)


@pytest.mark.system("X2")
@pytest.mark.parametrize(
    ("kind", "outcome", "state"),
    [
        ("initial", "confirmed", "open"), ("initial", "corrected", "reopened"), ("operating", "holds", "open"),
        ("operating", "drifts", "reopened"), ("post", "continue", "open"), ("post", "adapt", "reopened"),
        ("post", "stop", "closed"),
    ],
)  # fmt: skip
def test_a_review_is_held_for_the_next_date_of_its_kind(step, kind, outcome, state):
    found = life.review(step.body, [{}], "open", kind, outcome, "looked", AT)
    due = next(one["due"] for one in step.body["schedule"] if one["kind"] == kind)
    assert found.state == state
    assert found.body["happened"] == {"review": kind, "due": due, "outcome": outcome, "note": "looked"}


def test_reviews_beyond_the_schedule_without_a_note_or_of_another_kind_are_refused(step):
    once = life.review(step.body, [{}], "open", "initial", "confirmed", "looked", AT)
    for kind, outcome, note, says in (
        ("initial", "confirmed", "again", "every initial review"),
        ("operating", "confirmed", "x", "no operating review that finds"),
        ("yearly", "holds", "x", "no yearly review"),
        ("operating", "holds", " ", "give a note"),
    ):
        with pytest.raises(RetentionError, match=says):
            life.review(once.body, [{}, once.body["happened"]], "open", kind, outcome, note, AT)


@pytest.mark.system("X2", "X4")
def test_a_revision_keeps_the_dates_and_says_what_changed(step, decision, report):
    new = decision({"compare.value.base": 5500, "frame.owner": "Ben"})
    made = life.revise(step.body, "reopened", new, report(1), AT + timedelta(days=30), "prices rose")
    assert made.body["schedule"] == step.body["schedule"]
    assert made.body["happened"] == {"note": "prices rose", "changed": ["compare.value.base", "frame.owner"]}
    assert made.body["locked"]["as_of"] > step.body["locked"]["as_of"]
    with pytest.raises(RetentionError, match="were fixed with the decision"):
        life.revise(step.body, "open", decision({"commit.reviews.post_days": 180}), report(), AT, "later")
    with pytest.raises(RetentionError, match="nothing changed"):
        life.revise(step.body, "open", decision(), report(), AT, "x")
    with pytest.raises(RetentionError, match="says why"):
        life.revise(step.body, "open", new, report(), AT, "")


@pytest.mark.system("X6", "X15", "X16", "X17")
@pytest.mark.parametrize(
    ("without", "kind", "says"),
    [
        ({"verified_by": ""}, "input", "nobody verified it"),
        ({"owner": ""}, "owner", "no owner"),
        ({"refresh_days": None}, "cadence", "how often it is refreshed"),
        ({"coverage": None}, "input", "coverage is not known"),
        ({"as_of": "2025-01-01"}, "freshness", "meant to be refreshed in 7 days"),
    ],
)
def test_lint_names_what_an_input_lacks(given, report, without, kind, says):
    (held,) = given()["compare"]["inputs"]
    changed = given({"compare.inputs": [held | without]})
    body = life.create(document.read(changed, "f"), report(), AT).body
    found = {(one.kind, one.text) for one in lint(body, [], report(), AT)}
    before = {
        (one.kind, one.text)
        for one in lint(life.create(document.read(given(), "f"), report(), AT).body, [], report(), AT)
    }
    ((new_kind, text),) = found - before
    assert new_kind == kind
    assert says in text


@pytest.mark.system("X16", "X2", "X12", "X13")
def test_lint_names_old_reports_missed_reviews_weak_evidence_and_missing_guardrails(given, report):
    changes = {
        "compare.options.C.effect.basis": "assumed",
        "compare.options.C.discount": 0.01,
        "commit.reversal_signals": ["nps < 10"],
        "frame.metrics": ["nps", "grr"],
        "frame.metric_owners": {"nps": "Ben", "grr": "Ann"},
    }
    body = life.create(document.read(given(changes), "f"), report(), AT).body
    now = [one.kind for one in lint(body, [], report(), AT)]
    assert "review" not in now
    assert "freshness" not in now
    late = {(one.kind, one.text) for one in lint(body, [{}], report(), datetime(2025, 3, 15))}
    told = {kind: [text for k, text in late if k == kind] for kind, _ in late}
    assert sorted(told["review"]) == [
        "the initial review was due on 2025-02-08",
        "the operating review was due on 2025-03-01",
    ]
    assert any("newest report is of 2025-01-31" in text for text in told["freshness"])
    assert any("C.effect is assumed" in text for text in told["evidence"])
    assert any("grr: the report did not measure it" in text for text in told["evidence"])
    assert "option C gives money" in told["guardrail"][0]


@pytest.mark.system("X7", "X12")
def test_lint_says_when_a_number_may_flip_the_recommendation_within_its_own_range(step):
    flips = [flip for flip in step.body["decided"]["flips"] if flip["is_within"]]
    told = [one.text for one in lint(step.body, [], None, AT) if "turn the recommendation" in one.text]
    assert len(told) == len(flips) > 0


def test_a_decision_is_not_changed_by_what_happens_to_it(step, report):
    before = deepcopy(step.body)
    life.watch(step.body, "open", [report(m, logo_churn=0.9) for m in (1, 2)], AT)
    life.review(step.body, [{}], "open", "initial", "confirmed", "looked", AT)
    life.close(step.body, "open", "done")
    assert step.body == before
