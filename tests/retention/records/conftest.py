"""A decision that is complete, as a file holds it, and reports that it can be held against."""

from copy import deepcopy
from datetime import datetime, timedelta

import pytest

from retention.metrics import METRICS
from retention.records import document
from retention.records.signals import Measurement

JANUARY = datetime(2025, 1, 31)
RISK = {"text": "They wait for the next offer", "mitigation": "once a year", "monitoring": "monthly, by the owner"}


def number(low, base, high, basis="measured", n=200):
    return {"low": low, "base": base, "high": high, "n": n, "basis": basis, "source": "report of January"}


def option(title, accounts, effect, cost=0.0, each=0.0, **more):
    return {"title": title, "what": "As said.", "accounts": accounts, "effect": effect, "cost": cost,
            "cost_per_account": each, "risks": [RISK], **more}  # fmt: skip


CHECKPOINT = {"after_days": 28, "expects": "5 saved of 50", "stop_if": "fewer than 2"}
GIVEN = {
    "id": "2025-q1-success-calls",
    "title": "Success calls for accounts at risk",
    "frame": {
        "question": "Do we call every account at risk each week?",
        "background": "Red accounts churn at three times the base rate.",
        "objective": "Fewer preventable losses.",
        "scope": "Accounts of high risk, all segments.",
        "owner": "Ann",
        "horizon_days": 91,
        "metrics": ["logo_churn", "nps", "expansion_revenue"],
        "metric_owners": {"logo_churn": "Ann", "nps": "Ben", "expansion_revenue": "Cleo"},
    },
    "compare": {
        "trade_offs": "Hours on red accounts are not spent on green ones.",
        "constraints": ["12 CSMs"],
        "dependencies": ["the calling list"],
        "gross_margin": 0.75,
        "churn": number(0.10, 0.12, 0.14),
        "value": number(4000, 5000, 6000),
        "inputs": [
            {"name": "Support backlog", "source": "support", "unit": "tickets", "as_of": "2025-01-30",
             "coverage": 0.98, "owner": "Dee", "refresh_days": 7, "verified_by": "Dee", "gaps": "no chat"}
        ],
        "facts": [{"text": "126 accounts are at risk", "source": "report of January", "confidence": "high"}],
        "assumptions": [{"text": "Calls reach", "owner": "Ann", "confidence": "medium", "if_wrong": "no effect"}],
        "questions": [{"text": "Do partners count?", "owner": "Ben", "by": "2025-02-15"}],
        "options": {
            "A": option("Hold", 0, number(0, 0, 0, "assumed")),
            "B": option("Phased calls", 50, number(0.05, 0.20, 0.35), cost=1000, each=20, checkpoints=[CHECKPOINT]),
            "C": option("Calls for all", 120, number(0.05, 0.20, 0.35), cost=8000, each=40),
        },
    },
    "commit": {
        "criterion": "expected_value",
        "likelihood": {"low": 0.25, "base": 0.5, "high": 0.25},
        "selected": "B",
        "reviews": {"initial_days": 7, "operating_every_days": 28, "post_days": 91},
        "reversal_signals": ["logo_churn > 4 % for 2 reports"],
        "signal_owner": "Ann",
        "stop_rules": ["Two checkpoints missed"],
        "monitoring": "Ann, each report",
        "escalation": ["Head of success", "Board"],
        "approvals": ["Finance"],
        "freshness_days": 35,
        "expires_when": ["prices change"],
    },
}  # fmt: skip


@pytest.fixture
def given():
    """The decision as a dictionary, with some of its fields replaced: `{"frame.owner": ""}`."""

    def make(changes=None, **more):
        found = deepcopy(GIVEN)
        for path, value in {**(changes or {}), **more}.items():
            *way, last = path.split(".")
            held = found
            for step in way:
                held = held[step]
            held[last] = value
        return found

    return make


@pytest.fixture
def decision(given):
    return lambda changes=None: document.read(given(changes), "the test")


@pytest.fixture
def report():
    """A kept report so many months after January, with metrics by name."""

    def make(months=0, definitions=None, **figures):
        known = {"logo_churn": 0.03, "nps": 30.0, "expansion_revenue": 5000.0} | figures
        told = {
            name: {"value": value, "n": 400, "low": value * 0.9, "high": value * 1.1}
            for name, value in known.items() if value is not None
        }  # fmt: skip
        digests = {name: metric.digest for name, metric in METRICS.items()} | (definitions or {})
        return Measurement(as_of=JANUARY + timedelta(days=28 * months), figures=told, definitions=digests)

    return make
