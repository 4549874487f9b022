"""What was there before a run: the run before it, past alerts, and what persons told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from serving.policy import PastAlert, Previous
from serving.store.scores import Scored

DUE = "is_due"
"""In a row's detail: whether a watch run was about the account."""


@dataclass(frozen=True)
class Before:
    """What was there before a run: the run before, past alerts, and what persons told.

    Of the run before: its moment, the names of its model's features, its scores by account. `facts` holds by account
    and name the numbers that persons told by the moment of the new run. `book` is the last run of the whole book where
    the run before was one of watched accounts alone. `waiting` are the keys of alerts that were held back.
    """

    as_of: datetime | None = None
    features: tuple[str, ...] = ()
    scores: Mapping[str, Scored] | None = None
    alerts: Sequence[PastAlert] = ()
    facts: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    book: "Before | None" = None
    waiting: frozenset[str] = frozenset()

    def of(self, account_id: str) -> Scored | None:
        """An account's score of then; None for one that had none."""
        return (self.scores or {}).get(account_id)

    def last_told(self, account_id: str) -> Previous | None:
        """The account as people were last told of it: at the run before if it was due then, else at `book`."""
        row = self.of(account_id)
        if row is None or self.as_of is None:
            return None
        if self.book is not None and not row.detail.get(DUE):
            return self.book.last_told(account_id)
        return _previous(self.as_of, row)


def _previous(as_of: datetime, row: Scored) -> Previous:
    renewal = row.score.renewal_at
    return Previous(
        as_of=as_of,
        health=row.score.health_score,
        tier=row.score.tier,
        churn_probability=row.score.churn_probability,
        days_to_renewal=None if renewal is None else (renewal - as_of).total_seconds() / 86400,
        warnings={sign["rule"]: sign["severity"] for sign in row.detail.get("warnings", [])},
    )
