"""The policy's warnings and tiers against the labelled history, at other thresholds too (systems K4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from features.config import Settings
from retention import house
from retention.blocks import Chapter
from retention.conditions import Condition, Test
from retention.mining.snapshots import Array, Flags
from retention.mining.tuning import Trial, below, block, judged
from serving import registry
from serving.policy import Policy
from serving.policy.signs import COUNTED
from serving.score import score
from training.past import Past

STRICTNESS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""How much stricter than in use each bound of a rule is tried; below 1 is looser."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What conditions may ask of every row: a column by name, NaN where it is not known; see `Past.relative`."""

    past: Past
    told: Mapping[str, Array] = field(default_factory=dict)

    def values(self, test: Test) -> Array | None:
        """What a test reads at each row; None where the company's history has no such number."""
        if test.relative_to_baseline:
            return self.past.relative(test.feature)
        return self.told[test.feature] if test.feature in self.told else self.past.column(test.feature)


def holds(condition: Condition, facts: Facts) -> Flags | None:
    """Where a condition holds, row by row, as `serving.policy.conditions.passed`; None where it cannot be asked."""
    every, some = ([_passes(test, facts) for test in tests] for tests in (condition.all, condition.any))
    if any(flags is None for flags in every):
        return None
    known = [flags for flags in some if flags is not None]
    if condition.any and not known:
        return None
    kept = [flags for flags in every if flags is not None] + ([np.any(known, axis=0)] if known else [])
    found: Flags = np.all(kept, axis=0)
    return found


def _passes(test: Test, facts: Facts) -> Flags | None:
    values = facts.values(test)
    if values is None:
        return None
    if test.is_missing:
        return np.isnan(values)
    bounds = (
        (test.above, np.greater),
        (test.at_least, np.greater_equal),
        (test.below, np.less),
        (test.at_most, np.less_equal),
    )
    found: Flags = np.all([how(values, bound) for bound, how in bounds if bound is not None], axis=0)
    return found


def stricter(condition: Condition, times: float) -> Condition:
    """A condition with every bound so many times as strict: 14 days become 28, a fall below 0.7 one below 0.35."""
    return Condition(
        all=tuple(_stricter(test, times) for test in condition.all),
        any=tuple(_stricter(test, times) for test in condition.any),
    )


def _stricter(test: Test, times: float) -> Test:
    moved = {
        name: bound * times if (bound > 0) == (name in ("above", "at_least")) else bound / times
        for name in ("above", "at_least", "below", "at_most")
        if (bound := getattr(test, name)) is not None
    }
    return test.model_copy(update=moved)


def chapter(settings: Settings, past: Past, policy: Policy) -> Chapter:
    """What every warning and tier of the policy would have done over the test period."""
    rules, later = house.load(settings.retention_file), past.later
    told, version = scored(settings, past)
    trials, missing = [], []
    if version is None:
        missing.append("tiers, and warnings that read the health score: train a model, then `keepwell promote` it")
    else:
        trials += below(past.snapshots, told["health_score"], later, [tier.floor for tier in policy.bands])
    facts = Facts(past=past, told=told)
    facts = Facts(past=past, told=told | {COUNTED: components_that_warn(policy, facts)})
    for name, rule in policy.warnings.items():
        found = _trials(name, rule.when, facts)
        trials += found
        if not found:
            missing.append(f"[warnings.{name}] {rule.title}: it asks for what the labelled history does not hold")
    model = "" if version is None else f" Health is that of model {version}."
    over = f"Over {len(np.unique(past.snapshots.moments[later]))} snapshot dates of the test period.{model}"
    return Chapter(id="tuning", title="Thresholds", blocks=(block(trials, rules, over),), not_measured=tuple(missing))


def _trials(name: str, condition: Condition, facts: Facts) -> list[Trial]:
    """A rule as it is, and at each other strictness that warns of other rows; none where it cannot be asked."""
    later, used = facts.past.later, holds(condition, facts)
    if used is None:
        return []
    found, seen = [], {used[later].tobytes()}
    for times in STRICTNESS:
        now = used if times == 1.0 else holds(stricter(condition, times), facts)
        assert now is not None
        if times == 1.0 or now[later].tobytes() not in seen:
            seen.add(now[later].tobytes())
            at = "as it is" if times == 1.0 else f"{times:g} x as strict"
            found.append(Trial(rule=name, at=at, is_used=times == 1.0, alarms=judged(facts.past.snapshots, now, later)))
    return found


def components_that_warn(policy: Policy, facts: Facts) -> Array:
    """Number of components that warn by their own rules, as `serving.policy.signs` counts them."""
    warning: dict[str, Flags] = {}
    for rule in policy.warnings.values():
        found = None if COUNTED in rule.when.names else holds(rule.when, facts)
        if found is not None and rule.component != "several":
            warning[rule.component] = warning.get(rule.component, np.zeros_like(found)) | found
    counted: Array = np.sum(list(warning.values()), axis=0) if warning else np.zeros(len(facts.past.values))
    return counted.astype(np.float64)


def scored(settings: Settings, past: Past) -> tuple[dict[str, Array], str | None]:
    """What the serving model says of every row, by the names that conditions ask for; nothing without a model."""
    version = registry.resolve(settings, None)
    if version is None:
        return {}, None
    bundle = registry.fetch(settings, version)
    names, unknown = past.history.catalogue.names, np.full(len(past.values), np.nan)
    columns = [past.values[:, names.index(f.name)] if f.name in names else unknown for f in bundle.features]
    found = score(bundle, np.column_stack(columns))
    told = {"health_score": found.health, "health_change": _change(past, found.health)}
    return told | {"churn_probability": found.probability, "yearly_value": past.snapshots.value}, version


def _change(past: Past, health: Array) -> Array:
    """Health minus that at the account's snapshot before; NaN where there was none."""
    before = np.concatenate([[np.nan], health[:-1]])
    change: Array = np.where(past.snapshots.is_next, health - before, np.nan)
    return change
