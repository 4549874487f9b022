"""Which of our fields a customer-success system gets, and how they are called there unless `fields` says otherwise.

None of these names is a vendor's standard: an administrator creates the fields once. Two traps: Salesforce's own
`HealthScore` is a patient's (Health Cloud) and is not ours; and health up is good while `churn_probability` up is bad,
so both are sent, never one field for both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.delivery.sending import Request
from serving.delivery.targets import Crm

Record = Mapping[str, Any]
"""A flat account under the names of outside (`events.outside`)."""

SENT = (
    "status",
    "churn_probability",
    "health_score",
    "tier",
    "previous_score",
    "previous_tier",
    "risk_level",
    "at_risk_value",
    "top_driver_1",
    "top_driver_2",
    "top_driver_3",
    "scored_at",
    "as_of",
    "model_version",
)

DATES = ("scored_at", "as_of")


@dataclass(frozen=True)
class Refusal:
    """Why a record was not taken; `is_final`: the same record would be refused again."""

    reason: str
    is_final: bool = True


@dataclass(frozen=True)
class Adapter:
    """How a platform takes records: `limit` a call unless configured, the call for them, its answer record by record.

    `read` gives None for a record that was taken, in the order of the batch.

    Raises (`read`):
        ValueError, KeyError, TypeError or AttributeError: the answer is not of the documented form.
    """

    limit: int
    request: Callable[[Crm, str, str, Sequence[Record]], Request]
    read: Callable[[Crm, str, Sequence[Record]], list[Refusal | None]]


def mapped(target: Crm, record: Record, name: Callable[[str], str]) -> dict[str, Any]:
    """A record's fields under the platform's names; dates with a Z, null where we do not know."""
    names = target.fields or {ours: name(ours) for ours in SENT}
    return {theirs: _value(ours, record.get(ours)) for ours, theirs in names.items()}


def titled(ours: str) -> str:
    """`health_score` as `Keepwell_Health_Score`."""
    return "Keepwell_" + "_".join(word.capitalize() for word in ours.split("_"))


def _value(ours: str, value: Any) -> Any:
    return f"{value}Z" if ours in DATES and isinstance(value, str) and not value.endswith("Z") else value
