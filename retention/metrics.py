"""The company's metrics, defined once: what is divided by what, in which unit, and which way is good.

A decision record keeps the digest of each definition it used, so that nobody compares numbers of two definitions
(systems X5, X17).
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from retention.errors import RetentionError


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: `definition` says exactly what is counted; `good` which way is better, None for neither."""

    name: str
    title: str
    definition: str
    unit: Literal["share", "money", "count", "days", "points", "number"]
    good: Literal["up", "down"] | None

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the SHA-256 of everything above."""
        told = "\n".join([self.name, self.definition, self.unit, str(self.good)])
        return sha256(told.encode()).hexdigest()[:12]


def _metric(
    name: str,
    title: str,
    unit: Literal["share", "money", "count", "days", "points", "number"],
    good: Literal["up", "down"] | None,
    definition: str,
) -> Metric:
    return Metric(name=name, title=title, definition=definition, unit=unit, good=good)


METRICS = {
    metric.name: metric
    for metric in (
        _metric(
            "logo_churn",
            "Logo churn",
            "share",
            "down",
            "customers of the period's beginning lost in it / customers of its beginning",
        ),
        _metric(
            "revenue_churn",
            "Revenue churn",
            "share",
            "down",
            "recurring revenue lost to churn and contraction in the period / recurring revenue at its beginning",
        ),
        _metric(
            "grr",
            "Gross revenue retention",
            "share",
            "up",
            "(beginning - churn - contraction) / beginning recurring revenue, customers of the beginning alone; "
            "never above 1",
        ),
        _metric(
            "nrr",
            "Net revenue retention",
            "share",
            "up",
            "(beginning - churn - contraction + expansion) / beginning recurring revenue, customers of the beginning "
            "alone",
        ),
        _metric("renewal_rate", "Renewal rate", "share", "up", "terms renewed / terms that came to their end"),
        _metric(
            "reactivation_rate",
            "Reactivation rate",
            "share",
            "up",
            "customers lost who came back within the window / customers lost in the window",
        ),
        _metric(
            "ltv",
            "Lifetime value",
            "money",
            "up",
            "mean recurring revenue a customer and month x gross margin / monthly logo churn",
        ),
        _metric("expansion_revenue", "Expansion revenue", "money", "up", "recurring revenue added by customers held"),
        _metric("save_rate", "Save rate", "share", "up", "accounts treated that stayed / accounts treated, closed"),
        _metric(
            "play_effect",
            "Effect of plays",
            "share",
            "up",
            "share saved of the accounts treated - share saved of those held out",
        ),
        _metric(
            "prevented_value",
            "Prevented value",
            "money",
            "up",
            "effect of plays, weighted by worth, x worth of the accounts treated",
        ),
        _metric(
            "programme_roi",
            "Return of the programme",
            "share",
            "up",
            "(prevented value - cost) / cost of plays and overhead",
        ),
        _metric("nps", "Net promoter score", "points", "up", "100 x (share of 9-10 minus share of 0-6)"),
        _metric(
            "at_risk_accounts", "At-risk accounts", "count", "down", "accounts in the lowest tier of the newest run"
        ),
        _metric(
            "value_at_risk", "Value at risk", "money", "down", "sum of churn probability x yearly value over the book"
        ),
        _metric("open_tickets", "Support backlog", "count", "down", "tickets open at the moment"),
        _metric(
            "retention_rate",
            "Customer retention rate",
            "share",
            "up",
            "customers of the period's beginning not lost in it / customers of its beginning",
        ),
        _metric(
            "monthly_churn", "Churn a month", "share", "down", "losses / months at whose beginning one was a customer"
        ),
        _metric(
            "repeat_rate", "Repeat purchase rate", "share", "up", "customers with a second order or term / customers"
        ),
        _metric("detractors", "Detractors", "share", "down", "NPS answers of 0-6 / NPS answers, of 364 days"),
        _metric(
            "activation_rate",
            "Activation rate",
            "share",
            "up",
            "new customers who reached the path's activation milestone within its days / new customers",
        ),
        _metric(
            "time_to_value", "Time to value", "days", "down", "median days from the beginning to the path's first value"
        ),
        _metric(
            "onboarding_completion",
            "Onboarding completion rate",
            "share",
            "up",
            "new customers who reached all steps of the path within the longest step's days / new customers",
        ),
        _metric(
            "bounce_rate",
            "Bounce after signup",
            "share",
            "down",
            "new customers without a second day within 30 / new customers",
        ),
        _metric(
            "referral_rate",
            "Referral rate",
            "share",
            "up",
            "customers who brought one, or whose referral was recorded / customers",
        ),
        _metric(
            "viral_coefficient", "Viral coefficient", "number", "up", "new customers referred by a customer / customers"
        ),
        _metric("referred_customers", "Referred customers", "count", "up", "new customers that somebody referred"),
        _metric(
            "cost_per_referred", "Cost per referred customer", "money", "down", "cost of rewards / referred customers"
        ),
        _metric(
            "preventable_churn",
            "Preventable churn",
            "share",
            "down",
            "customers of the period's beginning lost for a preventable reason / customers of the beginning",
        ),
        _metric(
            "reason_drift",
            "Reasons for leaving as before, p-value",
            "number",
            "up",
            "probability that recent and earlier losses, with reasons so different, come from one distribution",
        ),
    )
}


def metric(name: str) -> Metric:
    """A metric by its name.

    Raises:
        RetentionError: there is none; the message lists those that there are.
    """
    if name not in METRICS:
        raise RetentionError(f"there is no metric {name!r}; the metrics are {', '.join(METRICS)}")
    return METRICS[name]
