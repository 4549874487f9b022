"""The rules a customer-success leader edits: pure functions of a policy and of what is known about an account.

`load` reads the policy; `situations` turns a scored book into values; everything else takes values and returns values.
"""

from serving.policy.cadence import Freshness, Scope, due, every_days, freshness, is_due, scope_due, score_is_stale
from serving.policy.disagreement import disagreements
from serving.policy.document import ChurnType, Driver, Input, Level, Play, Policy, Severity, TierRule, Treatment, Window
from serving.policy.drivers import TopDriver, churn_type, driver_of, top_drivers
from serving.policy.dry_run import Preview, Row, preview
from serving.policy.from_book import situations
from serving.policy.inputs import understood
from serving.policy.loading import load
from serving.policy.news import Alert, stale
from serving.policy.responses import Action, actions, window_of
from serving.policy.risk import Risk, risk_level
from serving.policy.sending import AlertRun, PastAlert, alerts, look_back, waiting, within_budget, worth_telling
from serving.policy.signs import WarningSign, warning_signs
from serving.policy.situation import Previous, Situation

__all__ = [
    "Action",
    "Alert",
    "AlertRun",
    "ChurnType",
    "Driver",
    "Freshness",
    "Input",
    "Level",
    "PastAlert",
    "Play",
    "Policy",
    "Preview",
    "Previous",
    "Risk",
    "Row",
    "Scope",
    "Severity",
    "Situation",
    "TierRule",
    "TopDriver",
    "Treatment",
    "WarningSign",
    "Window",
    "actions",
    "alerts",
    "churn_type",
    "disagreements",
    "driver_of",
    "due",
    "every_days",
    "freshness",
    "is_due",
    "load",
    "look_back",
    "preview",
    "risk_level",
    "scope_due",
    "score_is_stale",
    "situations",
    "stale",
    "top_drivers",
    "understood",
    "waiting",
    "warning_signs",
    "window_of",
    "within_budget",
    "worth_telling",
]
