"""Which of an account's rows is its newest, of the sources whose rows are looked at one by one.

Rows without versions are ranked once for all snapshots: beside each lie the moments of the next newer two, and how many
of those had come by a snapshot tells its rank there. Rows with versions are ranked among those that a snapshot sees.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from features.contracts import SOURCES
from features.engine import Engine


@dataclass(frozen=True)
class Order:
    """How the rows of a source are ranked: by the clock `at`, then by values, apart `within` groups of an account."""

    at: str
    ties: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def newest_first(self) -> str:
        """SQL of the order."""
        return ", ".join(f"r.{column} DESC" for column in (self.at, "known_at", *self.ties))

    @property
    def apart(self) -> str:
        """SQL of the groups, as more columns to partition by."""
        return "".join(f", {group}" for group in self.within)


TERMS = ("mrr_cents", "seats", "plan", "renews_at", "discount", "auto_renew", "billing_period")
ORDERS = {
    "feedback": Order("at", ("score",), within=("r.kind", "r.score IS NOT NULL")),
    "support": Order("opened_at"),
    "touchpoints": Order("at", ("sentiment",), within=("r.sentiment IS NOT NULL",)),
    "subscriptions": Order("started_at", TERMS),
    "invoices": Order("at", ("amount_cents", "status")),
}
UNREAD = {
    "subscriptions": ("row_id", "cancel_reason"),
    "feedback": ("row_id", "text"),
    "support": ("topic",),
    "touchpoints": ("row_id",),
    "invoices": ("row_id",),
}
"""Columns of these sources that no feature reads."""


def hold(engine: Engine, sources: Iterable[str]) -> None:
    """Rank the rows of sources without versions now, for all snapshots to come."""
    for source in sources:
        engine.hold(f"ranked_{source}", _ranked(source))


def beside(source: str, *, held: bool) -> tuple[str, str]:
    """SQL of a source's rows `r`, which have no versions, and of their rank at `c`: 1, 2, or 3 for all older."""
    recent = """CASE WHEN r.newer_at IS NULL OR r.newer_at >= c.snapshot_at THEN 1
                     WHEN r.second_at IS NULL OR r.second_at >= c.snapshot_at THEN 2 ELSE 3 END"""
    return f"ranked_{source}" if held else f"({_ranked(source)})", recent


def among_seen(source: str) -> tuple[str, str]:
    """As `beside`, of rows with versions, by a window over those that the snapshot sees."""
    order = ORDERS[source]
    group = f"PARTITION BY c.account_id, c.snapshot_at{order.apart}"
    return source, f"ROW_NUMBER() OVER ({group} ORDER BY {order.newest_first})"


def _ranked(source: str) -> str:
    contract, order = SOURCES[source], ORDERS[source]
    read = [contract.staged_name(c) for c in contract.columns if c not in UNREAD[source]]
    columns = ", ".join(f'r."{column}"' for column in (*read, "known_at", "superseded_at"))
    window = f"OVER (PARTITION BY r.account_id{order.apart} ORDER BY {order.newest_first})"
    return f"""SELECT {columns}, LAG(r.{order.at}, 1) {window} AS newer_at, LAG(r.{order.at}, 2) {window} AS second_at
               FROM {source} r"""
