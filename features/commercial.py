"""Commercial state: contract, price, payments, tenure and who the customer is."""

from functools import partial

from features.declare import DERIVED, Direction, Feature, any_row, count, newest, ratio, recency, share, text_literal, total

COMPONENT = "commercial"
SAFER, RISKIER, UNKNOWN = Direction.SAFER, Direction.RISKIER, Direction.UNKNOWN
CURRENT = "recent = 1"

account = partial(Feature, component=COMPONENT, scan="accounts", needs=("accounts.started_at",))
term = partial(Feature, component=COMPONENT, scan="subscriptions", needs=("subscriptions.started_at",))
invoice = partial(Feature, component=COMPONENT, scan="invoices", needs=("invoices.at",))
derived = partial(Feature, component=COMPONENT, scan=DERIVED)


def features(categories: dict[str, tuple[str, ...]]) -> list[Feature]:
    """Every commercial feature, with one per category of the accounts and terms (segment, plan, attributes)."""
    return [*_tenure(), *_terms(), *_invoices(), *(_category(name, levels) for name, levels in categories.items())]


def _tenure() -> list[Feature]:
    stage = "CASE WHEN account_age_days <= 90 THEN 1 WHEN account_age_days <= 365 THEN 2 ELSE 3 END"
    return [
        account("account_age_days", "tenure", "Days since the account began", "days", "MAX(days_since_start)"),
        derived(
            "lifecycle_stage", "tenure", "Onboarding (1, days 1-90), adoption (2, to month 12) or maturity (3)", "stage",
            f"CASE WHEN account_age_days IS NULL THEN NULL ELSE {stage} END", needs=("accounts.started_at",),
        ),
    ]


def _terms() -> list[Feature]:
    price, seats = partial(term, needs=("subscriptions.mrr",)), partial(term, needs=("subscriptions.seats",))
    return [
        term("contract_tenure_days", "tenure", "Days since the first contract term began", "days", "MAX(age)"),
        term("contract_terms", "tenure", "Contract terms so far", "terms", "COUNT(*)"),
        term("term_age_days", "renewal", "Days since the current term began", "days", newest("age", "TRUE")),
        term("days_to_renewal", "renewal", "Days until the current term renews", "days", newest("days_to_renewal", "TRUE"), needs=("subscriptions.renews_at",)),
        price("mrr", "price", "Monthly recurring revenue of the running terms", "money a month", ratio(_running("mrr_cents"), "100")),
        price("mrr_change_84d", "price change", "MRR now over MRR 84 days ago", "times", _change("mrr_cents"), UNKNOWN, 84),
        seats("seats", "seats", "Seats of the running terms", "seats", _running("seats")),
        seats("seats_change_84d", "seats", "Seats now over seats 84 days ago", "times", _change("seats"), SAFER, 84),
        term("discount", "price", "Discount of the current term, as a share of the list price", "share", newest("discount", "TRUE"), needs=("subscriptions.discount",)),
        term("is_cancelled", "cancelled", "The customer has given notice for a running term (1) or not (0)", "yes/no", any_row("is_cancelled = 1 AND is_running = 1"), RISKIER, needs=("subscriptions.cancelled_at",)),
        term("auto_renew", "cancelled", "The current term renews by itself (1) or not (0)", "yes/no", newest("CASE WHEN auto_renew THEN 1 ELSE 0 END", "auto_renew IS NOT NULL"), SAFER, needs=("subscriptions.auto_renew", "subscriptions.known_at")),
    ]


def _running(amount: str) -> str:
    return f"SUM(CASE WHEN is_running = 1 THEN {amount} END)"


def _change(amount: str) -> str:
    return ratio(_running(amount), f"SUM(CASE WHEN ran_84d_ago = 1 THEN {amount} END)")


def _invoices() -> list[Feature]:
    status = partial(invoice, needs=("invoices.status",))
    failed, refunded, paid = "status = 'failed'", "status = 'refunded'", "status = 'paid'"
    amount = "amount_cents"
    return [
        status("payments_failed_84d", "payment", "Failed payments in the last 84 days", "payments", count(84, where=failed), RISKIER, 84, empty=0),
        status("last_payment_failed", "payment", "The latest invoice's payment failed (1) or not (0)", "yes/no", f"MAX(CASE WHEN {CURRENT} AND {failed} THEN 1 ELSE 0 END)", RISKIER, empty=0),
        status("days_since_paid", "payment", "Days since the last paid invoice", "days", recency(paid)),
        status("refunds_364d", "payment", "Refunds of invoices of 28 to 364 days ago", "refunds", count(364, 28, where=refunded), RISKIER, 364, empty=0),
        invoice("invoiced_84d", "billing", "Money invoiced in the last 84 days", "money", ratio(total(amount, 84), "100"), UNKNOWN, 84, empty=0, needs=("invoices.amount",)),
        invoice("invoiced_trend_84d", "billing", "Share of the last 168 days' invoices in the newer 84 (half is steady)", "share", share(total(amount, 84), total(amount, 168, 84)), UNKNOWN, 168, needs=("invoices.amount",)),
        invoice("invoice_discount_364d", "billing", "Discount as a share of money invoiced in the last 364 days", "share", ratio(total("discount_cents", 364), total(amount, 364)), UNKNOWN, 364, needs=("invoices.amount", "invoices.discount")),
    ]


def _category(name: str, levels: tuple[str, ...]) -> Feature:
    """The level's position in `levels`; null for a level that was not there when the model was trained."""
    source, _, column = name.partition(".")
    cases = " ".join(f"WHEN {text_literal(level)} THEN {i}" for i, level in enumerate(levels))
    return Feature(
        column, "profile", f"The account's {column.replace('_', ' ')}", "category", _level(source, f'CASE "{column}" {cases} END'),
        component=COMPONENT, scan=source, needs=(name,), categories=levels,
    )



def _level(source: str, code: str) -> str:
    return newest(code, "TRUE") if source == "subscriptions" else f"MAX({code})"
