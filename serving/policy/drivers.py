"""From the signals that moved a score to what makes customers leave, and to the tactic that answers it."""

from dataclasses import dataclass

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
    rows = policy.drivers.values()
    for names, asked in (
        ("features", reason.feature),
        ("signals", reason.signal),
        ("components", reason.component),
    ):
        for driver in rows:
            if any(_matches(pattern, asked) for pattern in getattr(driver, names)):
                return driver
    return None


def top_drivers(policy: Policy, situation: Situation) -> tuple[TopDriver, ...]:
    """Drivers that raise the account's risk, the strongest first; reasons that lower it are left out."""
    told: dict[str, list[Reason]] = {}
    for reason in situation.reasons:
        driver = driver_of(policy, reason)
        if driver and reason.contribution > 0:
            told.setdefault(driver.id, []).append(reason)
    found = [
        TopDriver(policy.drivers[name], sum(r.contribution for r in reasons), tuple(r.text for r in reasons))
        for name, reasons in told.items()
    ]
    return tuple(sorted(found, key=lambda top: -top.contribution))


def churn_type(policy: Policy, situation: Situation) -> ChurnType | None:
    """The kind of churn to prevent: one whose own condition holds, else that of the strongest driver; None without."""
    for kind in policy.churn_types.values():
        if kind.when and passed(kind.when, situation, {}):
            return kind
    first = next(iter(top_drivers(policy, situation)), None)
    return policy.churn_types[first.driver.churn_type] if first else None


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
