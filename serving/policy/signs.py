"""Warning signs: which rules of the policy warn about an account, how severely, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass

from retention.conditions import Test
from serving.policy.conditions import passed, ratio_to_usual
from serving.policy.document import SEVERITIES, Policy, Severity, WarningRule
from serving.policy.names import declared
from serving.policy.situation import FACTS, Situation, value_of

COUNTED = "warning_components"


@dataclass(frozen=True, kw_only=True)
class WarningSign:
    """One rule that warns about one account now, with its response.

    `rule` is the id in `[warnings]`, `component` the source of the signal. `feature`, `value` and `usual` are those
    of the first test that held. The response is `play`, done by the role `owner` within `due_in_hours`.
    """

    account_id: str
    rule: str
    title: str
    component: str
    severity: Severity
    text: str
    feature: str
    value: float | None
    usual: float | None
    play: str
    owner: str
    due_in_hours: float


def warning_signs(policy: Policy, situation: Situation) -> tuple[WarningSign, ...]:
    """Every warning about an account, the most severe first, then in the order of the policy.

    Rules that count the components that warn (`warning_components`) are read after the others.
    """
    counting = [rule for rule in policy.warnings.values() if COUNTED in rule.when.names]
    plain = [rule for rule in policy.warnings.values() if COUNTED not in rule.when.names]
    found = [sign for rule in plain if (sign := _sign(policy, rule, situation, {}))]
    counted = {COUNTED: float(len({sign.component for sign in found} - {"several"}))}
    found += [sign for rule in counting if (sign := _sign(policy, rule, situation, counted))]
    return tuple(sorted(found, key=lambda sign: -SEVERITIES.index(sign.severity)))


def owner_for(policy: Policy, situation: Situation, role: str) -> str:
    """The role that acts in this business model: its own stand-in where it names one."""
    business = policy.business.get(situation.business_model)
    return business.owners.get(role, role) if business else role


def _sign(policy: Policy, rule: WarningRule, situation: Situation, counted: Mapping[str, float]) -> WarningSign | None:
    held = passed(rule.when, situation, counted)
    if not held:
        return None
    first = held[0]
    value, usual = value_of(situation, first.feature, counted), situation.baseline.get(first.feature)
    return WarningSign(
        account_id=situation.account_id,
        rule=rule.id,
        title=rule.title,
        component=rule.component,
        severity=_severity(rule, value),
        text=_in_words(policy, rule, first, situation, counted),
        feature=first.feature,
        value=value,
        usual=usual,
        play=rule.play,
        owner=owner_for(policy, situation, rule.owner),
        due_in_hours=rule.due_in_hours,
    )


def _severity(rule: WarningRule, value: float | None) -> Severity:
    reached = [rise for rise in rule.rises if value is not None and value >= rise.at_least]
    return max(reached, key=lambda rise: rise.at_least).severity if reached else rule.severity


def _in_words(
    policy: Policy, rule: WarningRule, first: Test, situation: Situation, counted: Mapping[str, float]
) -> str:
    ratio = ratio_to_usual(situation, first.feature)
    words = {name: amount(value_of(situation, name, counted)) for name in rule.when.names}
    words |= {
        "what": described(policy, first.feature),
        "value": amount(value_of(situation, first.feature, counted)),
        "usual": amount(situation.baseline.get(first.feature)),
        "change": "unknown" if ratio is None else f"{100 * (ratio - 1):+.0f} %",
    }
    return rule.text.format_map(words)


def described(policy: Policy, name: str) -> str:
    """What a name that a condition asks for means; the name itself for a company's own events."""
    feature = declared().get(name)
    if feature:
        return feature.definition
    return policy.inputs[name].text if name in policy.inputs else FACTS.get(name, name)


def amount(value: float | None) -> str:
    """A number as a person would write it.

    >>> amount(12.0), amount(0.25), amount(1234.6), amount(None)
    ('12', '0.25', '1,235', 'unknown')
    """
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2g}"
