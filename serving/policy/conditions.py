"""What the conditions of a policy find in one account's situation."""

from collections.abc import Mapping

from retention.conditions import Condition, Test
from serving.policy.situation import Situation, exists, value_of


def passed(condition: Condition, situation: Situation, counted: Mapping[str, float]) -> tuple[Test, ...]:
    """The tests that hold if the condition does, those of `any` first; empty if it does not."""
    for test in condition.all:
        if not _passes(test, situation, counted):
            return ()
    chosen = [test for test in condition.any if _passes(test, situation, counted)]
    return () if condition.any and not chosen else (*chosen, *condition.all)


def missing_names(condition: Condition, situation: Situation) -> tuple[str, ...]:
    """Names without which the condition can never be asked of this company; empty when it can.

    All of `all` are needed, and one of `any`.
    """
    lacking = [test.feature for test in condition.all if not exists(situation, test.feature)]
    choices = [test.feature for test in condition.any]
    if choices and not any(exists(situation, name) for name in choices):
        lacking += choices
    return tuple(dict.fromkeys(lacking))


def ratio_to_usual(situation: Situation, name: str) -> float | None:
    """Value over the account's own usual value; None when either is unknown or the usual one is 0."""
    value, usual = situation.features.get(name), situation.baseline.get(name)
    return None if value is None or not usual else value / usual


def _passes(test: Test, situation: Situation, counted: Mapping[str, float]) -> bool:
    if not exists(situation, test.feature):
        return False
    if test.relative_to_baseline:
        return test.holds(ratio_to_usual(situation, test.feature))
    return test.holds(value_of(situation, test.feature, counted))
