"""Who is held out in a run: candidates are drawn once, plays on the held-out are marked and nobody is alerted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from features.config import Settings
from retention import house
from retention.effects.holdout import Standing, exemption, is_held_out
from retention.sections import Programme
from serving.errors import ServingError
from serving.policy import AlertRun
from serving.policy.risk import STRATEGIC
from serving.store import Store, holdouts, runs
from serving.store.holdouts import Drawn
from serving.store.scores import Scored

CANDIDATES = ("high", "medium")
"""Risk levels from which on an account may get a play that saves it."""


@dataclass(frozen=True)
class Holding:
    """What the draw goes by: the company's rules, the store's seed, and who was drawn before."""

    rules: Programme
    seed: str
    before: Mapping[str, Drawn]


@dataclass(frozen=True)
class Held:
    """Scored accounts with their holdout: as they are to be kept, those drawn now, and those that are held out."""

    rows: list[Scored]
    drawn: tuple[Drawn, ...]
    accounts: frozenset[str]


def holding(settings: Settings, store: Store) -> Holding:
    """What a company's draw goes by; the first asking makes the seed."""
    rules = house.load(settings.retention_file).programme
    with store.write() as db:
        return Holding(rules, holdouts.seed(db, at=datetime.now(UTC).replace(tzinfo=None)), holdouts.all_drawn(db))


def draw_newest(settings: Settings, store: Store) -> tuple[Drawn, ...]:
    """Draw the candidates of the newest kept run that were not drawn yet; they are marked from the next run on."""
    ready = holding(settings, store)
    with store.write() as db:
        run = runs.latest(db)
        if run is None:
            raise ServingError("no run is kept yet; `keepwell score --store` keeps one and draws its candidates")
        drawn = draw(runs.scores_of(db, run).values(), ready, run.as_of)
        holdouts.draw(db, drawn)
    return drawn


def hold_out(rows: Sequence[Scored], holding: Holding, day: datetime) -> Held:
    """Draw the candidates that were not drawn yet, and mark the plays of those who are held out.

    A candidate has a high or medium risk level. An account that a rule of `never_hold_out` exempts is not drawn, and
    is not held back while it does, even where it was drawn before.
    """
    drawn = draw(rows, holding, day)
    now = {one.account_id: one for one in drawn}
    held = {}
    for row in rows:
        one = now.get(row.account_id) or holding.before.get(row.account_id)
        if one and one.is_held and not _is_exempt(row, holding.rules):
            held[row.account_id] = because(one)
    told = [marked(row, held[row.account_id]) if row.account_id in held else row for row in rows]
    return Held(told, drawn, frozenset(held))


def draw(rows: Iterable[Scored], holding: Holding, day: datetime) -> tuple[Drawn, ...]:
    """The draws of the candidates among scored accounts that were not drawn before."""
    share = holding.rules.holdout_share
    return tuple(
        Drawn(
            account_id=row.account_id,
            arm="holdout" if is_held_out(row.account_id, holding.seed, share) else "treated",
            drawn_at=day,
            share=share,
        )
        for row in rows
        if row.score.risk_level in CANDIDATES
        and row.account_id not in holding.before
        and not _is_exempt(row, holding.rules)
    )


def because(drawn: Drawn) -> str:
    """Why no play may reach an account."""
    return (
        f"drawn on {drawn.drawn_at:%Y-%m-%d} to be left alone ({100 * drawn.share:g} % are), so that what plays do can "
        "be measured; `keepwell holdout release` ends it"
    )


def marked(row: Scored, why: str) -> Scored:
    """A row whose actions say that they are not to be carried out."""
    actions = [{**action, "held_out": True, "held_out_because": why} for action in row.detail.get("actions", [])]
    return replace(row, detail={**row.detail, "actions": actions})


def why_held(row: Scored) -> str | None:
    """Why no play may reach a stored account; None for one that is not held out."""
    reasons = (action.get("held_out_because") for action in row.detail.get("actions", []))
    return next((reason for reason in reasons if reason), None)


def _is_exempt(row: Scored, rules: Programme) -> bool:
    standing = Standing(
        tier=row.score.tier,
        risk=row.score.risk_level,
        segment=row.score.segment,
        is_strategic=bool(row.detail.get("facts", {}).get(STRATEGIC)),
    )
    return exemption(rules.never_hold_out, standing) is not None


def withheld(alerts: AlertRun, held: Collection[str]) -> AlertRun:
    """The alerts of accounts that are not held out, and in the sentence how many were withheld."""
    parts = [[one for one in part if one.account_id not in held] for part in (alerts.sent, alerts.held_back)]
    less = len(alerts.sent) + len(alerts.held_back) - sum(map(len, parts))
    told = f"{alerts.told}; {less} of them withheld: their accounts are held out" if less else alerts.told
    return replace(alerts, sent=tuple(parts[0]), held_back=tuple(parts[1]), told=told)
