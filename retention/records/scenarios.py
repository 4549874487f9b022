"""What each option is worth in each scenario, and which one the stated criterion takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from retention.records.document import Commit, Compare, Option
from retention.records.parts import OPTIONS, SCENARIOS, Name, Scenario

Nets = Mapping[tuple[Name, Scenario], float]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An option in a scenario, over a year of the accounts saved; money in the company's currency.

    `retained` is yearly money kept, `margin` what is left of it as gross margin, `net` margin less cost.
    """

    option: Name
    scenario: Scenario
    saved: float
    retained: float
    margin: float
    cost: float
    net: float


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The option that the criterion takes; `expected` net value and greatest `regret` of every option."""

    option: Name
    expected: Mapping[Name, float]
    regret: Mapping[Name, float]


def outcomes(compare: Compare) -> tuple[Outcome, ...]:
    """Every option in every scenario: in the low one every number is at its low end."""
    return tuple(
        _outcome(compare, name, option, scenario) for name, option in compare.options.items() for scenario in SCENARIOS
    )


def recommend(compare: Compare, commit: Commit) -> Recommendation:
    """The option that the criterion takes."""
    return choose(nets(compare), commit)


def nets(compare: Compare) -> Nets:
    """Net value by option and scenario."""
    return {(one.option, one.scenario): one.net for one in outcomes(compare)}


def choose(net: Nets, commit: Commit) -> Recommendation:
    """The option that the criterion takes; of equals the one that changes least (A before B before C)."""
    likely = {s: getattr(commit.likelihood, s) for s in SCENARIOS}
    expected = {o: sum(likely[s] * net[o, s] for s in SCENARIOS) for o in OPTIONS}
    best = {s: max(net[o, s] for o in OPTIONS) for s in SCENARIOS}
    regret = {o: max(best[s] - net[o, s] for s in SCENARIOS) for o in OPTIONS}
    if commit.criterion == "expected_value":
        return Recommendation(option=max(OPTIONS, key=lambda o: expected[o]), expected=expected, regret=regret)
    return Recommendation(option=min(OPTIONS, key=lambda o: regret[o]), expected=expected, regret=regret)


def _outcome(compare: Compare, name: Name, option: Option, scenario: Scenario) -> Outcome:
    churn, value, effect = (getattr(number, scenario) for number in (compare.churn, compare.value, option.effect))
    saved = option.accounts * churn * effect
    retained = saved * value * option.lasting
    margin = retained * compare.gross_margin
    given = option.accounts * value * option.discount
    cost = option.cost + option.accounts * option.cost_per_account + given
    return Outcome(
        option=name, scenario=scenario, saved=saved, retained=retained, margin=margin, cost=cost, net=margin - cost
    )
