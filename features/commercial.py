"""Commercial state: contract, price, payments, tenure and who the customer is."""

from functools import partial

from features.declare import (
    DERIVED,
    Direction,
    Feature,
    any_row,
    count,
    newest,
    ratio,
    recency,
    share,
    text_literal,
    total,
)

COMPONENT = "commercial"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
GIVEN_NOTICE = "is_cancelled = 1 AND is_running = 1"
RENEWS_ITSELF = "CASE WHEN auto_renew THEN 1 ELSE 0 END"

account = partial(Feature, component=COMPONENT, scan="accounts", needs=("accounts.started_at",))
term = partial(Feature, component=COMPONENT, scan="subscriptions", needs=("subscriptions.started_at",))
price = partial(term, needs=("subscriptions.mrr",))
seats = partial(term, needs=("subscriptions.seats",))
status = partial(Feature, component=COMPONENT, scan="invoices", needs=("invoices.status",))
billed = partial(Feature, component=COMPONENT, scan="invoices", needs=("invoices.amount",))
derived = partial(Feature, component=COMPONENT, scan=DERIVED)


def features(categories: dict[str, tuple[str, ...]]) -> list[Feature]:
    """Every commercial feature, with one per category of the accounts and terms (segment, plan, attributes)."""
    profile = (_category(name, levels) for name, levels in categories.items())
    return [*_tenure(), *_terms(), *_money(), *_notice(), *_payments(), *_billing(), *profile]


# A feature is a row of a table: first what it says, then its unit and how it is computed.
# fmt: off
def _tenure() -> list[Feature]:
    later = "WHEN account_age_days <= 365 THEN 2 WHEN account_age_days > 365 THEN 3"
    stage = f"CASE WHEN account_age_days <= 90 THEN 1 {later} END"
    return [
        account("account_age_days", "tenure", "Days since the account began",
                "days", "MAX(account_age_days)"),
        derived("lifecycle_stage", "tenure", "Onboarding (1, days 1-90), adoption (2, to day 365) or maturity (3)",
                "stage", stage, needs=("accounts.started_at",)),
    ]


def _terms() -> list[Feature]:
    return [
        term("contract_tenure_days", "tenure", "Days since the first contract term began",
             "days", "MAX(age)"),
        term("contract_terms", "tenure", "Contract terms so far",
             "terms", "COUNT(*)", empty=0),
        term("term_age_days", "renewal", "Days since the current term began",
             "days", newest("age", "TRUE")),
        term("days_to_renewal", "renewal", "Days until the current term renews",
             "days", newest("days_to_renewal", "TRUE"), needs=("subscriptions.renews_at",)),
    ]


def _money() -> list[Feature]:
    return [
        price("mrr", "price", "Monthly recurring revenue of the running terms",
              "money a month", ratio(_running("mrr_cents"), "100")),
        price("mrr_change_84d", "price change", "MRR now over MRR 84 days ago",
              "times", _change("mrr_cents"), UNKNOWN, 84),
        seats("seats", "seats", "Seats of the running terms",
              "seats", _running("seats")),
        seats("seats_change_84d", "seats", "Seats now over seats 84 days ago",
              "times", _change("seats"), SAFER, 84),
        term("discount", "price", "Discount of the current term, as a share of the list price",
             "share", newest("discount", "TRUE"), needs=("subscriptions.discount",)),
    ]


def _running(amount: str) -> str:
    return f"SUM(CASE WHEN is_running = 1 THEN {amount} END)"


def _change(amount: str) -> str:
    return ratio(_running(amount), f"SUM(CASE WHEN ran_84d_ago = 1 THEN {amount} END)")


def _notice() -> list[Feature]:
    """A term's own switch may be turned any day: it is used only where rows tell when they became known."""
    return [
        term("is_cancelled", "cancelled", "The customer has given notice for a running term (1) or not (0)",
             "yes/no", any_row(GIVEN_NOTICE), RISKIER, needs=("subscriptions.cancelled_at",)),
        term("auto_renew", "cancelled", "The current term renews by itself (1) or not (0)",
             "yes/no", newest(RENEWS_ITSELF, "auto_renew IS NOT NULL"), SAFER,
             needs=("subscriptions.auto_renew", "subscriptions.known_at")),
    ]


def _payments() -> list[Feature]:
    return [
        status("payments_failed_84d", "payment", "Failed payments in the last 84 days",
               "payments", count(84, where="status = 'failed'"), RISKIER, 84, empty=0),
        status("last_payment_failed", "payment", "The latest invoice's payment failed (1) or not (0)",
               "yes/no", any_row("recent = 1 AND status = 'failed'"), RISKIER, empty=0),
        status("days_since_paid", "payment", "Days since the last paid invoice",
               "days", recency("status = 'paid'"), RISKIER),
        status("refunds_364d", "payment", "Refunds of invoices of 29 to 364 days ago",
               "refunds", count(364, 28, where="status = 'refunded'"), RISKIER, 364, empty=0),
    ]


def _billing() -> list[Feature]:
    amount = "amount_cents"
    return [
        billed("invoiced_84d", "billing", "Money invoiced in the last 84 days",
               "money", ratio(total(amount, 84), "100"), UNKNOWN, 84, empty=0),
        billed("invoiced_trend_84d", "billing", "Share of the last 168 days' invoices in the newer 84 (half is steady)",
               "share", share(total(amount, 84), total(amount, 168, 84)), UNKNOWN, 168),
        billed("invoice_discount_364d", "billing", "Discount as a share of money invoiced in the last 364 days",
               "share", ratio(total("discount_cents", 364), total(amount, 364)), UNKNOWN, 364,
               needs=("invoices.amount", "invoices.discount")),
    ]


def _category(name: str, levels: tuple[str, ...]) -> Feature:
    """The level's position in `levels`; null for a level that was not there when the model was trained."""
    source, _, column = name.partition(".")
    cases = " ".join(f"WHEN {text_literal(level)} THEN {i}" for i, level in enumerate(levels))
    code = f'CASE "{column}" {cases} END'
    return Feature(
        column, "profile", f"The account's {column.replace('_', ' ')}", "category",
        newest(code, "TRUE") if source == "subscriptions" else f"MAX({code})",
        component=COMPONENT, scan=source, needs=(name,), categories=levels,
    )
