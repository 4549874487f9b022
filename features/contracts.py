"""The nine canonical sources: grain, key, the two clocks, types, allowed values and identities.

A user's raw tables are renamed and cast into these once, at the border; nothing later knows a raw name.
Times are naive UTC microseconds, money is integer cents, scores and quantities are exact decimals, so
that every sum is the same on every engine and in every order.
"""

from dataclasses import dataclass, field

TEXT, TIME, CENTS, WHOLE, FLAG = "STRING", "TIMESTAMP", "CENTS", "BIGINT", "BOOLEAN"
AMOUNT, SCORE = "DECIMAL(18,3)", "DECIMAL(9,3)"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What one canonical table promises.

    `at` is the clock of when a row happened, `known_at` (every source has it) of when it reached the
    company; `known_at` defaults to `at`. A source whose `known_at` the user maps may hold several versions
    of one key: at a date the newest version known by then counts. Columns typed CENTS are mapped in
    currency units under their plain name and staged as `<name>_cents`.
    """

    name: str
    grain: str
    at: str
    columns: dict[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    belongs_to_accounts: bool = True
    allowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    """Identities: SQL predicate over staged columns -> what a row that breaks it did, in words."""

    def staged_name(self, column: str) -> str:
        """The column's name after staging: money is kept in cents and says so."""
        return f"{column}_cents" if self.columns[column] == CENTS else column

    def staged_type(self, column: str) -> str:
        """The column's SQL type after staging."""
        return WHOLE if self.columns[column] == CENTS else self.columns[column]


def _between(column: str, low: int, high: int, when: str = "") -> str:
    bound = f"{column} BETWEEN {low} AND {high}"
    return f"({when}) IS NOT TRUE OR {bound}" if when else bound


ACCOUNTS = Source(
    name="accounts",
    grain="one row per account",
    at="started_at",
    columns={"account_id": TEXT, "started_at": TIME, "segment": TEXT, "owner": TEXT},
    required=("account_id",),
    key=("account_id",),
    belongs_to_accounts=False,
)
SUBSCRIPTIONS = Source(
    name="subscriptions",
    grain="one row per contract term",
    at="started_at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "started_at": TIME,
        "ended_at": TIME,
        "renews_at": TIME,
        "mrr": CENTS,
        "seats": WHOLE,
        "plan": TEXT,
        "billing_period": TEXT,
        "auto_renew": FLAG,
        "discount": SCORE,
        "cancelled_at": TIME,
        "cancel_reason": TEXT,
    },
    required=("account_id", "started_at"),
    key=("account_id", "started_at", "plan"),
    holds={
        "ended_at > started_at": "ended_at is not after started_at",
        "renews_at > started_at": "renews_at is not after started_at",
        "mrr_cents >= 0": "mrr is negative",
        "seats >= 0": "seats is negative",
    },
)
USAGE = Source(
    name="usage",
    grain="one row per event, or per line of an order",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "user_id": TEXT,
        "session_id": TEXT,
        "at": TIME,
        "event": TEXT,
        "quantity": AMOUNT,
        "value": CENTS,
    },
    required=("account_id", "at"),
)
FEEDBACK = Source(
    name="feedback",
    grain="one row per survey sent or answered, review or complaint",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "user_id": TEXT,
        "at": TIME,
        "kind": TEXT,
        "score": SCORE,
        "text": TEXT,
    },
    required=("account_id", "at", "kind"),
    allowed={"kind": ("nps", "csat", "ces", "review", "complaint", "survey_sent")},
    holds={
        _between("score", 0, 10, "kind = 'nps'"): "an nps score is not within 0 to 10",
        _between("score", 1, 5, "kind IN ('csat', 'review')"): "a csat or review score is not within 1 to 5",
        _between("score", 1, 7, "kind = 'ces'"): "a ces score is not within 1 to 7",
    },
)
SUPPORT = Source(
    name="support",
    grain="one row per ticket",
    at="opened_at",
    columns={
        "account_id": TEXT,
        "ticket_id": TEXT,
        "opened_at": TIME,
        "first_response_at": TIME,
        "resolved_at": TIME,
        "priority": TEXT,
        "escalations": WHOLE,
        "reopened": WHOLE,
        "csat": SCORE,
        "topic": TEXT,
    },
    required=("account_id", "opened_at"),
    key=("ticket_id",),
    allowed={"priority": ("low", "normal", "high", "urgent")},
    holds={
        "resolved_at >= opened_at": "resolved_at is before opened_at",
        "first_response_at >= opened_at": "first_response_at is before opened_at",
        _between("csat", 1, 5): "csat is not within 1 to 5",
    },
)
TOUCHPOINTS = Source(
    name="touchpoints",
    grain="one row per contact with the customer",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "at": TIME,
        "kind": TEXT,
        "direction": TEXT,
        "answered": FLAG,
        "sentiment": SCORE,
    },
    required=("account_id", "at", "kind"),
    allowed={"direction": ("inbound", "outbound")},
    holds={_between("sentiment", 1, 5): "sentiment is not within 1 to 5"},
)
INVOICES = Source(
    name="invoices",
    grain="one row per invoice or order",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "at": TIME,
        "amount": CENTS,
        "status": TEXT,
        "discount": CENTS,
    },
    required=("account_id", "at"),
    allowed={"status": ("paid", "failed", "refunded")},
)
INTERVENTIONS = Source(
    name="interventions",
    grain="one row per play carried out or held out",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "at": TIME,
        "play": TEXT,
        "owner": TEXT,
        "cost": CENTS,
        "arm": TEXT,
        "outcome": TEXT,
        "driver": TEXT,
    },
    required=("account_id", "at", "play"),
    allowed={"arm": ("treated", "holdout")},
    holds={"cost_cents >= 0": "cost is negative"},
)
CHURNS = Source(
    name="churns",
    grain="one row per churn told by a person",
    at="at",
    columns={
        "account_id": TEXT,
        "row_id": TEXT,
        "at": TIME,
        "reason": TEXT,
        "intent": TEXT,
        "preventable": FLAG,
    },
    required=("account_id", "at"),
    allowed={"intent": ("voluntary", "involuntary")},
)

SOURCES = {
    source.name: source
    for source in (
        ACCOUNTS,
        SUBSCRIPTIONS,
        USAGE,
        FEEDBACK,
        SUPPORT,
        TOUCHPOINTS,
        INVOICES,
        INTERVENTIONS,
        CHURNS,
    )
}
