"""From the signals that moved a score to what makes customers leave, and to the tactic that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from serving.policy.conditions import passed
from serving.policy.document import ChurnType, Driver, Policy
from serving.policy.situation import Situation
from serving.reasons import Reason


@dataclass(frozen=True)
class TopDriver:
    """A driver of an account with the reasons behind it; `contribution` is their sum in log-odds, above 0."""

    driver: Driver
    contribution: float
    because: tuple[str, ...]


def driver_of(policy: Policy, reason: Reason) -> Driver | None:
    """The driver that a reason belongs to: by its feature, else its signal, else its component; None without one."""
    drivers = policy.drivers.values()
    by_feature = (driver for driver in drivers if _names(driver.features, reason.feature))
    by_signal = (driver for driver in drivers if _names(driver.signals, reason.signal))
    by_component = (driver for driver in drivers if _names(driver.components, reason.component))
    return next(chain(by_feature, by_signal, by_component), None)


def top_drivers(policy: Policy, situation: Situation) -> tuple[TopDriver, ...]:
    """Drivers that raise the account's risk, the strongest first; reasons that lower it are left out."""
    told: dict[str, list[Reason]] = {}
    for reason in situation.reasons:
        if reason.contribution > 0 and (driver := driver_of(policy, reason)):
            told.setdefault(driver.id, []).append(reason)
    found = [
        TopDriver(policy.drivers[name], sum(r.contribution for r in reasons), tuple(r.text for r in reasons))
        for name, reasons in told.items()
    ]
    return tuple(sorted(found, key=lambda top: -top.contribution))


def churn_type(policy: Policy, situation: Situation, top: Sequence[TopDriver]) -> ChurnType | None:
    """The kind of churn to prevent: one whose own condition holds, else that of the strongest driver; None without.

    Args:
        policy: the rules in force.
        situation: the account.
        top: its `top_drivers`.
    """
    for kind in policy.churn_types.values():
        if kind.when and passed(kind.when, situation, {}):
            return kind
    return policy.churn_types[top[0].driver.churn_type] if top else None


def _names(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of them is the name, or with a `*` at its end how the name begins."""
    return name in patterns or name.startswith(_beginnings(patterns))


@lru_cache(maxsize=1024)
def _beginnings(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """A policy has few, and every reason asks for them."""
    return tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
