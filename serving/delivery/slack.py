"""An event as a Slack message: `text` for notifications, `blocks` for the channel (Slack's Block Kit)."""

from collections.abc import Mapping
from typing import Any

MOST_TEXT = 2900
"""Characters of a section; Slack takes 3,000."""

MARKS = {"high": ":red_circle:", "medium": ":large_yellow_circle:", "low": ":large_green_circle:"}


def slack_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """The message for an envelope: who, what happened, and who does what by when."""
    alert, account = event["data"].get("alert") or {}, event["data"].get("object") or {}
    who = account.get("name") or account.get("external_id") or "The whole book"
    what = alert.get("text") or _scored(account)
    title = str(what) if event["type"] == "ping" else f"{who}: {what}"
    mark = MARKS.get(alert.get("severity", ""), "")
    sections = [_section(f"{mark} *{_plain(title)}*".strip())]
    if alert.get("play"):
        sections.append(_section(_plain(_response(alert))))
    facts = [f"{label}: {account[name]}" for name, label in FACTS.items() if account.get(name) is not None]
    if facts:
        context = {"type": "mrkdwn", "text": _plain(" | ".join(facts))[:MOST_TEXT]}
        sections.append({"type": "context", "elements": [context]})
    return {"text": _plain(title)[:MOST_TEXT], "blocks": sections}


FACTS = {
    "external_id": "Account",
    "health_score": "Health",
    "tier": "Tier",
    "risk_level": "Risk",
    "at_risk_value": "Value at risk",
    "top_driver_1": "Why",
}


def _response(alert: Mapping[str, Any]) -> str:
    return f"{alert['owner']}: {alert['play']}, due {alert['due_at']}"


def _scored(account: Mapping[str, Any]) -> str:
    health = account.get("health_score")
    return "not scored" if health is None else f"health {health:.0f}, {account.get('tier')}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MOST_TEXT]}}


def _plain(text: str) -> str:
    """Text in which nothing is markup: an account named `<!channel>` calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
