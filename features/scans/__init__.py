"""The scans: SQL that pairs every snapshot with the raw rows that were known at it. The only place with a clock.

A row belongs to a snapshot at t iff it happened before (at < t), had reached us (known_at <= t), and was not
yet replaced by a newer version of itself (superseded_at > t or none). Events, which are many, are added up in
stretches that snapshots share (`features.stretches`), or meet a small calendar of (snapshot, day) on their day; the
other sources, which are few, meet the snapshots of their account.
"""

from collections.abc import Callable

from features.scans.few import accounts, feedback, invoices, subscriptions, support, touchpoints
from features.scans.how import LAID, USAGE, WIDE, How
from features.scans.usage import events, kinds, users, visits, year

__all__ = ["LAID", "READ_ONCE", "SCANS", "USAGE", "WIDE", "How"]

READ_ONCE = WIDE - {"year"}
"""Those whose features no other scan reads: they need no table of their own."""
SCANS: dict[str, Callable[..., str]] = {
    scan.__name__: scan
    for scan in (events, kinds, year, users, visits, feedback, support, touchpoints, subscriptions, invoices, accounts)
}
