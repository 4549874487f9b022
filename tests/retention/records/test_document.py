"""What is refused: a record without owner, horizon, evidence, a real choice, or with an empty part."""

from datetime import datetime

import pytest

from retention.errors import RetentionError
from retention.records import document
from retention.records.deciding import decide

AT = datetime(2025, 2, 1)
TEXTS = [
    "title",
    "frame.question",
    "frame.background",
    "frame.objective",
    "frame.scope",
    "frame.owner",
    "compare.trade_offs",
    "commit.signal_owner",
    "commit.monitoring",
]
LISTS = [
    "frame.metrics",
    "compare.constraints",
    "compare.dependencies",
    "compare.inputs",
    "compare.facts",
    "compare.assumptions",
    "commit.reversal_signals",
    "commit.stop_rules",
    "commit.escalation",
    "commit.approvals",
    "commit.expires_when",
]


def refused(given, changes):
    with pytest.raises(RetentionError) as error:
        document.read(given(changes), "file.toml")
    return str(error.value)


@pytest.mark.system("X1", "X11", "X14", "X15")
@pytest.mark.parametrize(
    ("path", "value"), [*((path, " ") for path in TEXTS), *((path, []) for path in LISTS), ("frame.horizon_days", 0)]
)
def test_an_empty_part_is_an_error_that_names_it(given, path, value):
    assert f"[{path}" in refused(given, {path: value})


@pytest.mark.system("X11", "X8")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"compare.options.C.title": "Phased calls"}, "no real choice", id="two options of one name"),
        pytest.param({"compare.options.B.checkpoints": []}, "has checkpoints", id="a phase without checkpoints"),
        pytest.param({"frame.metrics": ["gross_churn"]}, "no such metric", id="a metric that is not defined"),
        pytest.param({"frame.metric_owners": {"logo_churn": "Ann"}}, "nobody owns nps", id="a metric nobody owns"),
        pytest.param({"compare.churn.low": 0.5}, "low <= base <= high", id="a range out of order"),
        pytest.param({"compare.churn.high": float("inf")}, "finite", id="an infinite number"),
        pytest.param({"commit.reversal_signals": ["when we feel it"]}, "cannot be checked", id="a vague signal"),
        pytest.param({"commit.likelihood.low": 0.9}, "make it 1", id="likelihoods that do not sum to 1"),
        pytest.param({"frame.mood": "good"}, "Extra inputs", id="a field nobody knows"),
    ],
)  # fmt: skip
def test_what_is_no_decision_is_refused(given, changes, says):
    assert says in refused(given, changes)


def test_options_that_only_differ_by_name_are_no_choice(given):
    alike = given()["compare"]["options"]["B"] | {"title": "Other words", "checkpoints": []}
    assert "no real choice" in refused(given, {"compare.options.C": alike})


def test_the_order_of_the_options_in_the_file_does_not_matter(given):
    options = given()["compare"]["options"]
    shuffled = {name: options[name] for name in "CAB"}
    assert document.read(given({"compare.options": shuffled}), "f") == document.read(given(), "f")


@pytest.mark.system("X9", "X20")
@pytest.mark.parametrize(
    ("signal", "says"),
    [
        ("grr < 90 %", "does not measure grr"),
        ("logo_churn > 2 % for 3 reports", "holds already"),
    ],
)
def test_a_signal_that_cannot_fire_later_is_refused(decision, report, signal, says):
    with pytest.raises(RetentionError, match=says):
        decide(decision({"commit.reversal_signals": [signal]}), report(), AT)


@pytest.mark.system("X3")
def test_another_choice_than_the_criterions_needs_a_reason(decision, report):
    with pytest.raises(RetentionError, match="expected_value takes 'B'"):
        decide(decision({"commit.selected": "C"}), report(), AT)
    kept = decide(decision({"commit.selected": "C", "commit.because": "the board wants it"}), report(), AT)
    assert kept["decided"]["recommended"] == "B"
