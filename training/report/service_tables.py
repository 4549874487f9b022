"""What the service's side looks like in the terminal: keys, told facts, deliveries, and what a policy would do."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from serving.delivery import Line
from serving.policy import Preview
from serving.store.decisions import Intervention
from serving.store.facts import Fact
from serving.store.keys import ApiKey
from training.report.layout import bullets, section, table
from training.report.words import UNKNOWN, count, number, percent


def keys(found: Sequence[ApiKey]) -> RenderableType:
    """Each key with its role; never its secret."""
    if not found:
        return Text("There are no keys yet; `keepwell keys create NAME --role read` makes one.")
    rows = table("id", "name", "role", "created", "last used", "state")
    for key in found:
        last = UNKNOWN if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
        state = "in use" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
        rows.add_row(key.id, escape(key.name), key.role, f"{key.created_at:%Y-%m-%d}", last, state)
    return rows


def facts(found: Sequence[Fact]) -> RenderableType:
    """Each fact with who told it; a dash for one that was taken back."""
    if not found:
        return Text("Nobody told a fact yet; `keepwell facts set ACCOUNT NAME VALUE` tells one.")
    rows = table("account", "fact", "value>", "known since", "by", "note")
    for fact in found:
        told = UNKNOWN if fact.value is None else f"{fact.value:g}"
        value = told if fact.moment is None else f"{fact.moment:%Y-%m-%d}"
        known, note = f"{fact.at:%Y-%m-%d %H:%M}", escape((fact.note or "")[:60])
        rows.add_row(escape(fact.account_id), escape(fact.name), value, known, escape(fact.by), note)
    return rows


def plays(found: Sequence[Intervention]) -> RenderableType:
    """Each play with who did it, against what, at what cost."""
    if not found:
        return Text("No play is recorded yet; `keepwell plays record ACCOUNT PLAY` records one.")
    rows = table("account", "play", "on", "arm", "owner", "driver", "cost>", "outcome")
    for one in found:
        told = [escape(text or UNKNOWN) for text in (one.owner, one.driver)]
        cost = UNKNOWN if one.cost is None else number(one.cost, 0)
        outcome = escape((one.outcome or UNKNOWN)[:40])
        rows.add_row(escape(one.account_id), escape(one.play), f"{one.at:%Y-%m-%d}", one.arm, *told, cost, outcome)
    return rows


def deliveries(found: Sequence[Line]) -> RenderableType:
    """Each delivery with its state and what came back last."""
    if not found:
        return Text("Nothing was sent or waits to be sent.")
    rows = table("id>", "to", "what", "account", "state", "tries>", "answer")
    for line in found:
        answer = escape(line.last_response[:60]) or UNKNOWN
        account = escape(line.account_id or UNKNOWN)
        rows.add_row(str(line.id), escape(line.target), line.type, account, line.status, str(len(line.tries)), answer)
    return rows


def policy_preview(found: Preview) -> RenderableType:
    """How much of the book each rule catches, how many alerts that makes, and what somebody should look at."""
    rows = table("rule", "", "accounts>", "share>", "value at risk>")
    for row in found.rows:
        if row.not_applicable:
            rows.add_row(
                row.rule, escape(f"{row.title} (not applicable: {row.not_applicable})"), "", "", "", style="dim"
            )
            continue
        at_risk = UNKNOWN if row.value_at_risk is None else number(row.value_at_risk, 0)
        rows.add_row(row.rule, escape(row.title), f"{row.accounts:,}", percent(row.share), at_risk)
    a_day = "" if found.alerts_a_day is None else f", {number(found.alerts_a_day, 1)} a day"
    told = f"{count(found.alerts_in_this_run, 'alert')} in this run{a_day}; {found.always_sent} whatever the budget of "
    shown = [*section("What each rule catches", rows), Text(f"{told}{found.daily_budget} a day.")]
    return Group(*shown, *(section("Look at this", bullets(found.problems)) if found.problems else []))
